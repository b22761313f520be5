"""What a bug does, measured: the comparisons it shows in, how far it moves them, and the checks that see it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from grader.checks.catalogue import CHECKS, MEASURED_BY
from grader.checks.check import Check, Context
from grader.checks.compare import first_difference, largest_change
from grader.comparisons.catalogue import COMPARISONS
from grader.comparisons.comparison import Comparison
from grader.exercise.model import builtin_exercise
from grader.grading.answer_cache import Kept
from grader.grading.run_check import run_check
from grader.grading.search import Failure, ReferenceFailed
from grader.limits import MEASURING_QUESTION_SECONDS
from grader.packages.cached import CachedPackage
from grader.packages.package import Package
from grader.packages.trouble import Trouble
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

SUBMISSION: Final = "inject"  # in the place of a submission's hash: nothing is hidden from our own reference


class Observation(Struct, frozen=True, kw_only=True):
    """What was seen of one bug.

    Attributes:
        shows_in: the comparisons whose answers have other bits than the reference's.
        killed_by: the checks that fail on every seed.
        crashes_in: the comparisons that raise, or answer with NaN where the reference does not.
        effect: the largest change of any answer, relative to the largest value there; 1 where shapes change.
        detections: on each seed, how many checks fail; empty where none was asked.
        unsteady_in: the comparisons that it answers otherwise in another process.
        rewriting_shows_in: the comparisons and checks that tell the refactoring alone that the bug came with.
    """

    shows_in: tuple[str, ...]
    killed_by: tuple[str, ...]
    crashes_in: tuple[str, ...]
    effect: float
    detections: tuple[int, ...]
    unsteady_in: tuple[str, ...] = ()
    rewriting_shows_in: tuple[str, ...] = ()


class Observer:
    """Compares mutants with the reference that they were made from.

    Args:
        checks: those that may be asked.
        comparisons: those that may be compared.
        seeds: one for each repetition; the first sees all checks, the others those that failed on it.
        at_sizes: whether larger cases are asked too, as a grade does; of hundreds of packages it would take too long.
        kept: what the reference answered to other observers, which may ask at the same time.
    """

    def __init__(
        self,
        worker_pool: WorkerPool,
        reference: Mapping[str, str],
        checks: Iterable[Check],
        seeds: Iterable[int],
        comparisons: Iterable[Comparison] = COMPARISONS,
        *,
        at_sizes: bool = False,
        kept: Kept | None = None,
    ) -> None:
        self._at_sizes = at_sizes
        self._worker_pool = worker_pool
        self._checks = tuple(checks)
        self._comparisons = tuple(comparisons)
        self._seeds = tuple(Seeds(seed, SUBMISSION) for seed in seeds)
        kept = kept or Kept()
        self._memory, self._draws = kept.memory, kept.draws
        self._reference = CachedPackage(
            worker_pool, "the reference", reference, MEASURING_QUESTION_SECONDS, trusted=True, memory=self._memory
        )

    def observe_reference(self) -> Observation:
        """What is seen of the reference in another process: nothing, if it is right and reproduces itself."""
        return self._observe(self.reference_again())

    def observe(
        self, files: Mapping[str, str], is_decided: Callable[[Observation], object] = lambda _: False
    ) -> Observation:
        """What is seen of the package ``files``.

        Args:
            is_decided: whether the checks are of no interest any more, from what the comparisons show, which are asked
                first and take a fraction of the time; then none is asked.
        """
        return self._observe(self._mutant(files), is_decided)

    def shows_in(
        self, files: Mapping[str, str], comparisons: Iterable[Comparison], worker_pool: WorkerPool | None = None
    ) -> tuple[str, ...]:
        """The comparisons and checks that tell the package ``files`` from the reference: none, if it is the same.

        Args:
            worker_pool: where it runs; that of the reference, unless it has an adapter of its own.
        """
        package = self._mutant(files)
        if worker_pool is not None:
            package = Package(worker_pool, "the package", files, MEASURING_QUESTION_SECONDS)
        with package:
            differing = [each.id for each in comparisons if self._is_told(each, package)]
            return (*differing, *(check.id for check in self.killers(package, self._seeds[0])))

    def _is_told(self, comparison: Comparison, package: Package) -> bool:
        """Whether a comparison tells a package from the reference; not where the reference lacks what it asks for."""
        try:
            expected = self._answers(comparison, self._reference)
        except Trouble:
            return False
        try:
            return _differ(self._answers(comparison, package), expected)
        except Trouble:
            return True

    def _observe(self, package: Package, is_decided: Callable[[Observation], object] = lambda _: False) -> Observation:
        with package as mutant:
            shows_in, crashes_in, unsteady_in, effect = self._compare(mutant)
            compared = Observation(
                shows_in=shows_in,
                killed_by=(),
                crashes_in=crashes_in,
                effect=effect,
                detections=(),
                unsteady_in=unsteady_in,
            )
            if is_decided(compared):
                return compared
            first, *others = self._seeds
            killers = self.killers(mutant, first)
            detections = [len(killers)]
            for seed in others:
                killers = self.killers(mutant, seed, killers)
                detections.append(len(killers))
        return msgspec.structs.replace(
            compared, killed_by=tuple(check.id for check in killers), detections=tuple(detections)
        )

    def killers(self, mutant: Package, seeds: Seeds, checks: Iterable[Check] | None = None) -> list[Check]:
        """The checks that fail, in their order."""
        return list(self._killers(mutant, seeds, self._checks if checks is None else checks))

    def first_killer(self, files: Mapping[str, str], checks: Iterable[Check]) -> Check | None:
        """The first of these checks that sees the package ``files`` fail."""
        with self._mutant(files) as mutant:
            return next(self._killers(mutant, self._seeds[0], checks), None)

    def reference_again(self) -> Package:
        """The reference in another process, as a package that is judged."""
        return Package(self._worker_pool, "the reference again", self._reference.files, MEASURING_QUESTION_SECONDS)

    def faults(self, package: Package) -> dict[str, str]:
        """By check that a package does not pass on every seed, what it said first; it is not the package's doing alone
        where it is the reference itself."""
        found: dict[str, str] = {}
        for seeds in self._seeds:
            with package.another() as fresh_candidate:
                context = self._context(package, fresh_candidate, seeds)
                for check in self._checks:
                    if check.id not in found and (fault := self._fault(check, context, confirm=True)) is not None:
                        found[check.id] = str(fault)
        return found

    def answered(self, package: Package) -> tuple[Comparison, ...]:
        """The comparisons whose questions a package answers, with the bits of the reference."""
        return tuple(each for each in self._comparisons if self._agrees(each, package))

    def _agrees(self, comparison: Comparison, package: Package) -> bool:
        try:
            return not _differ(self._answers(comparison, package), self._answers(comparison, self._reference))
        except Trouble:
            return False

    def _mutant(self, files: Mapping[str, str]) -> Package:
        """An oracle for a mutant: what its untouched files answer is known from the reference."""
        return CachedPackage(
            self._worker_pool, "the mutant", files, MEASURING_QUESTION_SECONDS, memory=self._memory, learns=False
        )

    def _killers(self, mutant: Package, seeds: Seeds, checks: Iterable[Check]) -> Iterator[Check]:
        with mutant.another() as fresh_candidate:
            context = self._context(mutant, fresh_candidate, seeds)
            yield from (check for check in checks if self._kills(check, context))

    def _context(self, candidate: Package, fresh_candidate: Package, seeds: Seeds) -> Context:
        return Context(
            candidate=candidate,
            variant=self._reference,
            reference=self._reference,
            fresh_candidate=fresh_candidate,
            seeds=seeds,
            variants=lambda: [self._reference],
        )

    def _kills(self, check: Check, context: Context) -> bool:
        """Whether a check sees the candidate fail; not where the reference lacks what the check asks for."""
        return not isinstance(self._fault(check, context), ReferenceFailed | None)

    def _fault(self, check: Check, context: Context, *, confirm: bool = False) -> Failure | ReferenceFailed | None:
        """How a candidate fails a check, or that the reference gives no answer to compare it with."""
        context = replace(context, state={})
        try:
            ran = run_check(
                check,
                context,
                seeds=context.seeds,
                shrink=False,
                draws=self._draws,
                confirm=confirm,
                at_sizes=self._at_sizes,
            )
        except ReferenceFailed as failed:
            return failed
        return ran.failure

    def _compare(self, mutant: Package) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], float]:
        """The comparisons that it shows in, those that it crashes in, those that it is unsteady in, and its effect."""
        shows_in, crashes_in, unsteady_in, effect = [], [], [], 0.0
        with mutant.another() as again:
            for comparison in self._comparisons:
                try:
                    expected = self._answers(comparison, self._reference)
                except Trouble:
                    continue  # the reference lacks what the comparison asks for
                try:
                    answers = self._answers(comparison, mutant)
                except Trouble:
                    shows_in.append(comparison.id)
                    crashes_in.append(comparison.id)
                    effect = 1.0
                    continue
                if not _differ(answers, expected):
                    continue
                shows_in.append(comparison.id)
                effect = max(effect, *(largest_change(*pair) for pair in zip(answers, expected, strict=True)))
                if any(_has_nan(answer) for answer in answers):
                    crashes_in.append(comparison.id)
                if self._is_unsteady(comparison, again, answers):
                    unsteady_in.append(comparison.id)
        return tuple(shows_in), tuple(crashes_in), tuple(unsteady_in), effect

    def _is_unsteady(self, comparison: Comparison, again: Package, answers: list[Tensors]) -> bool:
        try:
            return _differ(self._answers(comparison, again), answers)
        except Trouble:
            return True

    def _answers(self, comparison: Comparison, package: Package) -> list[Tensors]:
        return [comparison.ask(package, asked) for asked in comparison.questions(self._seeds[0], "float32")]


class Failing(NamedTuple):
    """The checks that a reference fails itself.

    Attributes:
        followups: those of follow-up questions, which a reference need not have built.
    """

    wrong: tuple[str, ...]
    followups: tuple[str, ...]


def failing_checks(
    worker_pool: WorkerPool, reference: Mapping[str, str], seeds: Iterable[int], checks: Sequence[Check] = CHECKS
) -> Failing:
    """Those of the checks that a reference fails, beside the built-in one: beside itself, much that is wrong agrees."""
    builtin = builtin_exercise()
    observer = Observer(worker_pool, builtin.reference, checks, seeds, comparisons=(), at_sizes=True)
    failing = observer.observe(reference).killed_by
    followups = {check for item in builtin.rubric.followup for check in (*item.earns, *item.takes)}
    followups -= {check for item in builtin.rubric.item for check in (*item.earns, *item.takes)}
    return Failing(
        tuple(check for check in failing if check not in followups),
        tuple(check for check in failing if check in followups),
    )


class Answerable(NamedTuple):
    """What a right package passes, and agrees in, whose extensions are yet to be built: the rest cannot tell a bug."""

    checks: tuple[Check, ...]
    comparisons: tuple[Comparison, ...]


def answerable(
    worker_pool: WorkerPool,
    reference: Mapping[str, str],
    unbuilt: Mapping[str, str],
    seed: int,
    left_out: Collection[str] = (),
    kept: Kept | None = None,
) -> Answerable:
    """The checks and comparisons that can be asked from the start.

    Args:
        unbuilt: the reference with its extensions taken out.
        left_out: checks that the reference itself does not pass.
        kept: what the reference answered to other observers.
    """
    checks = [check for check in MEASURED_BY if check.id not in left_out]
    if dict(unbuilt) == dict(reference):
        return Answerable(tuple(checks), COMPARISONS)
    seen = Observer(worker_pool, reference, checks, [seed], kept=kept).observe(unbuilt)
    return Answerable(
        tuple(check for check in checks if check.id not in seen.killed_by),
        tuple(comparison for comparison in COMPARISONS if comparison.id not in seen.shows_in),
    )


def _differ(answers: list[Tensors], others: list[Tensors]) -> bool:
    return any(first_difference(*pair) is not None for pair in zip(answers, others, strict=True))


def _has_nan(answer: Tensors) -> bool:
    return any(array.dtype.kind == "f" and bool(np.isnan(array).any()) for array in answer.values())
