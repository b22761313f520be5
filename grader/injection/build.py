"""Build an exercise: choose bugs, make its files, and prove it, until one is sound."""

import hashlib
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Final

from msgspec import UNSET, UnsetType, structs

from grader.checks.check import Check
from grader.comparisons.catalogue import COMPARISONS
from grader.errors import CannotJudge, UsageError
from grader.exercise.adapted import VISIBLE_TESTS as VISIBLE
from grader.exercise.key import Key, Reworded, Row
from grader.exercise.model import Exercise, Item, builtin_exercise
from grader.injection.choose import Chooser, Chosen
from grader.injection.fit import Fit, fit, require_it_runs
from grader.injection.mutants import Mutant, Sources, mutants, planted
from grader.injection.observe import Observation, Observer, answerable, failing_checks
from grader.injection.prove import complaints, prove, prove_repaired
from grader.injection.recipe import Recipe
from grader.injection.reword import reworded
from grader.injection.rubric_and_key import bug_entry, certificate, hashes, rubric, stub_entry
from grader.packages.trouble import without_a_verdict
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import ADAPTER
from mutations.by_products import BY_PRODUCTS
from mutations.catalogue import OPERATORS, operator
from mutations.errors import MutationError
from mutations.gaps import Gap, find_gaps
from mutations.operator import Operator
from mutations.source import Source

REPETITIONS: Final = 3  # seeds on which each bug has to be seen
THREADS: Final = 2
ATTEMPTS: Final = 20  # sets of bugs that are tried before a recipe is given up

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """An exercise that has been proven, and what was turned down on the way.

    Attributes:
        left_out: the checks of follow-up questions that the reference does not pass, and that are never asked.
        fit: of a reference with an adapter.py, what can be asked of it.
    """

    exercise: Exercise
    starter: dict[str, str]
    rejected: tuple[tuple[Mutant, str], ...]
    left_out: tuple[str, ...] = ()
    fit: Fit | None = None


def build(recipe: Recipe, reference: Sources, launcher: Launcher, progress: Progress) -> Built:
    """A sound exercise for a recipe; the same recipe gives the same one.

    Raises:
        UsageError: the recipe cannot be met with this reference.
        CannotJudge: the machine failed, or cannot isolate.
    """
    with without_a_verdict():
        record: Reworded | UnsetType = UNSET
        if recipe.reword:
            reference, record = reworded(reference, recipe.seed, _seeds(recipe.seed), launcher, progress)
        builder = _Builder(recipe, dict(reference), record, launcher, progress)
        try:
            return builder.run()
        finally:
            builder.close()


class _Builder:
    def __init__(
        self,
        recipe: Recipe,
        reference: dict[str, str],
        record: Reworded | UnsetType,
        launcher: Launcher,
        progress: Progress,
    ) -> None:
        self._recipe = recipe
        self._reference = reference
        self._reworded = record
        self._launcher = launcher
        self._progress = progress
        self._adapter = reference.get(ADAPTER)
        # What is to be built in an extension is found by the names of the contract.
        self._keeps_extensions = recipe.keep_extensions or self._adapter is not None
        self._gaps: tuple[Gap, ...] = ()
        self._seeds = _seeds(recipe.seed)
        self._worker_pool = WorkerPool(launcher, adapter=self._adapter)
        self._fit: Fit | None = None
        self._checks: tuple[Check, ...] = ()
        self._left_out: tuple[str, ...] = ()
        # Two bugs are measured at once: the one that is asked for, and the one that is likely to be asked for next.
        self._observers: SimpleQueue[Observer] = SimpleQueue()
        self._threads = ThreadPoolExecutor(THREADS)
        self._seen: dict[Mutant, Future[Observation]] = {}

    def run(self) -> Built:
        self._progress("the reference")
        if self._reference != builtin_exercise().reference:
            require_it_runs(self._worker_pool, self._reference)
        self._gaps = () if self._keeps_extensions else _gaps(self._reference)
        chooser = Chooser(self._recipe, self._pool(), self._observe)
        self._require_right_reference()
        self._get_ready_to_observe()
        for _ in range(ATTEMPTS):
            chosen = chooser.choose()
            exercise = self._exercise(chosen)
            rows = prove(exercise, self._launcher, self._seeds[0], self._progress)
            repaired = None
            if exercise.is_refactored:
                repaired = prove_repaired(exercise, self._launcher, self._seeds[0], self._progress)
            fault = _first_fault(exercise, rows if repaired is None else [*rows, repaired])
            if fault is None:
                proof = certificate(self._launcher, self._seeds, rows, repaired)
                return self._built(replace(exercise, key=structs.replace(exercise.key, certificate=proof)), chooser)
            item, left, said = fault
            mutants_of = {entry.item: bug.mutant for entry, bug in zip(exercise.key.bugs, chosen, strict=True)}
            others = ", ".join(str(mutants_of[other]) for other in left) or "no bug"
            chooser.reject(mutants_of[item], f"with {others} left in: {said}")
        raise UsageError(f"seed={self._recipe.seed!r}: no sound exercise after {ATTEMPTS} sets of bugs; try another")

    def close(self) -> None:
        self._worker_pool.stop()
        self._threads.shutdown(cancel_futures=True)
        self._worker_pool.close()

    def _require_right_reference(self) -> None:
        """What the bugs are planted in must itself be right, or the exercise would teach a wrong solution."""
        if self._adapter is not None:
            self._fit = fit(self._worker_pool, self._reference, self._seeds)
            return
        failing = failing_checks(self._worker_pool, self._reference, self._seeds)
        if failing.wrong:
            names = ", ".join(failing.wrong)
            if self._reference == builtin_exercise().reference:
                raise CannotJudge(f"the built-in reference fails {names} on this machine")
            raise UsageError(f"the reference is not right itself: it fails {names}; see `grader grade` on it")
        self._left_out = failing.followups
        seen = Observer(self._worker_pool, self._reference, (), self._seeds).observe_reference()
        if seen.shows_in:
            names = ", ".join(seen.shows_in)
            raise CannotJudge(f"the reference does not reproduce itself on this machine ({names})")

    def _get_ready_to_observe(self) -> None:
        """An observer for each thread, which asks what can be asked of a starter."""
        if self._fit is not None:
            self._checks, comparisons = self._fit.checks, self._fit.comparisons
        else:
            unbuilt = planted(self._reference, [gap.edit for gap in self._gaps])
            self._checks, comparisons = answerable(
                self._worker_pool, self._reference, unbuilt, self._seeds[0], self._left_out
            )
        for _ in range(THREADS):
            self._observers.put(Observer(self._worker_pool, self._reference, self._checks, self._seeds, comparisons))

    def _pool(self) -> list[Mutant]:
        """Every bug that this reference offers, of those that the recipe asks for."""
        names = self._recipe.operators
        drawn = BY_PRODUCTS if self._recipe.style == "refactored" else OPERATORS
        operators = [_operator(name) for name in names] if names else list(drawn)
        pool = list(mutants(self._reference, operators, [gap.edit for gap in self._gaps]))
        for wanted in operators if names else ():
            if not any(mutant.operator is wanted for mutant in pool):
                lacking = " or ".join(wanted.needs)
                advice = (
                    f"; it needs the {lacking}: try --keep-extensions (in Python keep_extensions=True)"
                    if wanted.needs and self._gaps
                    else ""
                )
                raise UsageError(f"operator={wanted.id!r} finds no site in this reference{advice}")
        return pool

    def _observe(self, mutant: Mutant, likely_next: Mutant | None) -> Observation:
        self._progress(f"measuring a bug ({len(self._seen) + 1})")
        for wanted in (mutant, likely_next):
            if wanted is not None and wanted not in self._seen:
                self._seen[wanted] = self._threads.submit(self._measure, wanted)
        return self._seen[mutant].result()

    def _measure(self, mutant: Mutant) -> Observation:
        observer = self._observers.get()
        honest = mutant.honest_files(self._reference)
        comparisons = COMPARISONS if self._fit is None else self._fit.comparisons
        try:
            told = observer.shows_in(honest, comparisons) if honest is not None else ()
            return structs.replace(observer.observe(mutant.files(self._reference)), rewriting_shows_in=told)
        finally:
            self._observers.put(observer)

    def _exercise(self, chosen: Sequence[Chosen]) -> Exercise:
        """The exercise with these bugs, not yet proven."""
        extensions = () if self._keeps_extensions else _extension_items()
        made = rubric(
            _id(chosen, self._recipe),
            _title(len(chosen), extensions),
            [(bug.mutant.operator.category, bug.seen) for bug in chosen],
            extensions,
            self._checks,
        )
        key = Key(
            bugs=tuple(
                bug_entry(item.id, bug, [other.seen for other in chosen if other is not bug])
                for item, bug in zip(made.item, chosen, strict=False)
            ),
            stubs=tuple(stub_entry(gap) for gap in self._gaps),
            hashes=hashes(self._reference),
            reworded=self._reworded,
        )
        if self._fit is None:
            return Exercise(self._reference, builtin_exercise().visible_tests, made, key)
        made = structs.replace(made, unasked=self._fit.families)
        return Exercise(self._reference, VISIBLE, made, key)

    def _built(self, exercise: Exercise, chooser: Chooser) -> Built:
        edits = [entry.edit for entry in (*exercise.key.bugs, *exercise.key.stubs)]
        return Built(exercise, planted(exercise.reference, edits), tuple(chooser.rejected), self._left_out, self._fit)


def _first_fault(exercise: Exercise, rows: Sequence[Row]) -> tuple[str, tuple[str, ...], str] | None:
    """The first item that is graded wrongly, with which bugs left in, and how."""
    full_marks = {item.id: item.points for item in exercise.rubric.item}
    for row in rows:
        for item, said in complaints(row, full_marks).items():
            return item, row.left, said
    return None


def _gaps(reference: Sources) -> tuple[Gap, ...]:
    try:
        return find_gaps({file: Source(file, text) for file, text in reference.items()})
    except MutationError as error:
        raise UsageError(f"the extensions cannot be taken out of this reference: {error}") from None


def _operator(name: str) -> Operator:
    try:
        return operator(name)
    except MutationError as error:
        raise UsageError(str(error)) from None


def _seeds(seed: int) -> tuple[int, ...]:
    """The seeds of the measurements, drawn from the recipe's."""
    generator = random.Random(f"measure {seed}")
    return tuple(generator.getrandbits(53) for _ in range(REPETITIONS))


def _extension_items() -> tuple[Item, ...]:
    """The extensions are those of the built-in exercise, with its points."""
    return tuple(item for item in builtin_exercise().rubric.item if item.kind == "extension")


def _id(chosen: Sequence[Chosen], recipe: Recipe) -> str:
    """A name that says nothing of the bugs, and is another one for other bugs."""
    planted_where = [(bug.mutant.operator.id, bug.mutant.edit.start) for bug in chosen]
    drawn = (planted_where, recipe.keep_extensions, *([recipe.seed] if recipe.reword else []))
    digest = hashlib.sha256(repr(drawn).encode()).hexdigest()
    return f"gpt-{digest[:10]}"


def _title(bugs: int, extensions: Sequence[Item]) -> str:
    title = f"A GPT with {bugs} bug{'s' if bugs > 1 else ''}"
    return f"{title} and {len(extensions)} things to build" if extensions else title
