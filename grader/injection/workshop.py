"""What all exercises that are made of one reference share: whether it is right, its bugs, and what each was seen to do.

None of that hangs on an exercise's seed, so that the first exercise of a process pays for it, and a seed builds the
same exercise whether it comes first, last or alone.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from queue import SimpleQueue
from types import TracebackType
from typing import Final, Self

from msgspec import structs

from grader.checks.catalogue import CHECKS
from grader.checks.check import Check
from grader.comparisons.catalogue import COMPARISONS
from grader.errors import CannotJudge, UsageError
from grader.exercise.model import Item, builtin_exercise
from grader.grading.answer_cache import Kept
from grader.injection.choose import Mutant, Sources, mutants, planted, unfit_to_compare
from grader.injection.fit import Fit, fit, require_it_runs
from grader.injection.observe import Observation, Observer, answerable, failing_checks
from grader.injection.recipe import Recipe
from grader.limits import KEPT_ANSWERS_MAX_BYTES
from grader.packages.cached import forget_beyond
from grader.packages.trouble import without_a_verdict
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import ADAPTER
from mutations.by_products import BASES, BY_PRODUCTS
from mutations.catalogue import OPERATORS, operator
from mutations.errors import MutationError
from mutations.gaps import Gap, find_gaps
from mutations.operator import Operator
from mutations.source import Source

THREADS: Final = 2
REPETITIONS: Final = 3  # seeds on which each bug has to be seen
# Of the measurements. The proof of an exercise asks by a seed of its own.
MEASURED_ON: Final = tuple(random.Random(f"measure {number}").getrandbits(53) for number in range(REPETITIONS))

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reference can be asked while its extensions are not built.

    Attributes:
        left_out: the checks of follow-up questions that it does not pass.
        fit: of a reference with an adapter.py, what can be asked of it.
    """

    checks: tuple[Check, ...]
    left_out: tuple[str, ...] = ()
    fit: Fit | None = None


class Workshop:
    """One reference, ready to have bugs planted in it. Use as a context manager, or close it.

    Args:
        keep_extensions: leave cache, classifier and heads built.
    """

    def __init__(self, reference: Sources, launcher: Launcher, *, keep_extensions: bool = False) -> None:
        self.reference: Final = dict(reference)
        self.launcher: Final = launcher
        self.has_adapter: Final = ADAPTER in reference
        # What is to be built in an extension is found by the names of the contract.
        self.keeps_extensions: Final = keep_extensions or self.has_adapter
        self._is_builtin = self.reference == builtin_exercise().reference
        self._worker_pool = WorkerPool(launcher, adapter=reference.get(ADAPTER))
        self._kept = Kept()  # of the reference, asked by the seeds of the measurements
        self._asked: Future[Asked] | None = None
        self._sites: dict[str, list[Mutant]] = {}  # by operator
        # Two bugs are measured at once: the one that is asked for, and the one that is likely to be asked for next.
        self._observers: SimpleQueue[Observer] = SimpleQueue()
        self._threads = ThreadPoolExecutor(THREADS)
        self._seen: dict[tuple[Mutant, bool], Future[Observation]] = {}

    def look(self) -> None:
        """Take a first look, and start to ask all else that is asked before any bug is measured.

        Raises:
            UsageError: the reference does not run, or its extensions cannot be taken out.
        """
        if self._asked is not None:
            return
        with without_a_verdict():
            if not self._is_builtin:
                require_it_runs(self._worker_pool, self.reference)
            self.gaps  # noqa: B018  by this thread: two that make syntax trees at once get a SystemError from Python 3.11
            self._asked = self._threads.submit(self._ask)  # workers answer while this thread reads the operators' sites

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """The functions that a starter leaves to be built. Raises ``UsageError`` where they cannot be taken out."""
        return () if self.keeps_extensions else _gaps(self.reference)

    @property
    def asked(self) -> Asked:
        """What can be asked; waits until that is known.

        Raises:
            UsageError: the reference is not right itself.
            CannotJudge: the machine failed.
        """
        assert self._asked is not None, "look first"
        with without_a_verdict():
            return self._asked.result()

    def pool(self, recipe: Recipe) -> list[Mutant]:
        """Every bug that this reference offers, of those that the recipe asks for.

        Raises:
            UsageError: one of the operators that it names is unknown, or finds no site.
        """
        if not recipe.operators:
            drawn = BY_PRODUCTS if recipe.style == "refactored" else OPERATORS
            pool = self._sites_of([of for of in drawn if recipe.takes(BASES.get(of.id, of.id))])
            if recipe.split != "train":
                return pool
            # Two operators may make the same edit: one that is held out makes it a bug that is not to be met.
            held_out = [of for of in drawn if not recipe.takes(BASES.get(of.id, of.id))]
            edits = {mutant.edit for mutant in self._sites_of(held_out)}
            return [mutant for mutant in pool if mutant.edit not in edits]
        operators = [_operator(name) for name in recipe.operators]
        pool = self._sites_of(operators)
        for wanted in operators:
            if not self._sites[wanted.id]:
                lacking = " or ".join(wanted.needs)
                advice = (
                    f"; it needs the {lacking}: try --keep-extensions (in Python keep_extensions=True)"
                    if wanted.needs and self.gaps
                    else ""
                )
                raise UsageError(f"operator={wanted.id!r} finds no site in this reference{advice}")
        return pool

    def observe(self, mutant: Mutant, likely_next: Mutant | None, *, alone: bool) -> Observation:
        """What is seen of a bug, measured now or for an earlier exercise.

        Args:
            likely_next: the bug that is likely to be asked for next.
            alone: whether it is to be the only bug of its exercise; not every bug can be one of several.
        """
        for wanted in (mutant, likely_next):
            if wanted is not None and (wanted, alone) not in self._seen:
                self._seen[wanted, alone] = self._threads.submit(self._measure, wanted, alone)
        with without_a_verdict():
            return self._seen[mutant, alone].result()

    def tidy(self) -> None:
        """Forget what was kept beyond what one process may keep."""
        forget_beyond(self._kept.memory, KEPT_ANSWERS_MAX_BYTES)

    def close(self) -> None:
        """End all workers and threads; the launcher stays its caller's."""
        self._worker_pool.stop()
        self._threads.shutdown(cancel_futures=True)
        self._worker_pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self) -> Asked:
        """What can be asked. What the bugs are planted in must itself be right, or the exercise would teach a wrong
        solution.
        """
        left_out: tuple[str, ...] = ()
        fitting = None
        if self.has_adapter:
            fitting = fit(self._worker_pool, self.reference, MEASURED_ON)
            checks, comparisons = fitting.checks, fitting.comparisons
        else:
            left_out = self._failed_followups()
            seen = Observer(self._worker_pool, self.reference, (), MEASURED_ON, kept=self._kept).observe_reference()
            if seen.shows_in:
                names = ", ".join(seen.shows_in)
                raise CannotJudge(f"the reference does not reproduce itself on this machine ({names})")
            unbuilt = planted(self.reference, [gap.edit for gap in self.gaps])
            checks, comparisons = answerable(
                self._worker_pool, self.reference, unbuilt, MEASURED_ON[0], left_out, self._kept
            )
        for _ in range(THREADS):
            observer = Observer(self._worker_pool, self.reference, checks, MEASURED_ON, comparisons, kept=self._kept)
            self._observers.put(observer)
        return Asked(checks, left_out, fitting)

    def _failed_followups(self) -> tuple[str, ...]:
        """The checks of follow-up questions that the reference fails; it may fail no other.

        The built-in reference is asked those of the extensions alone. That it passes the checks of the bugs is a row of
        each exercise's proof, and it answers all follow-ups.
        """
        asked = CHECKS
        if self._is_builtin:
            items = () if self.keeps_extensions else extension_items()
            named = {check for item in items for check in (*item.earns, *item.takes)}
            asked = tuple(check for check in CHECKS if check.id in named)
        failing = failing_checks(self._worker_pool, self.reference, MEASURED_ON, asked)
        if not failing.wrong:
            return failing.followups
        names = ", ".join(failing.wrong)
        if self._is_builtin:
            raise CannotJudge(f"the built-in reference fails {names} on this machine")
        raise UsageError(f"the reference is not right itself: it fails {names}; see `grader grade` on it")

    def _sites_of(self, operators: Sequence[Operator]) -> list[Mutant]:
        """Each of these operators at each of its sites; reading them takes a second or two."""
        unread = [each for each in operators if each.id not in self._sites]
        found: dict[str, list[Mutant]] = {each.id: [] for each in unread}
        for mutant in mutants(self.reference, unread, [gap.edit for gap in self.gaps]):
            found[mutant.operator.id].append(mutant)
        self._sites |= found
        return [mutant for each in operators for mutant in self._sites[each.id]]

    def _measure(self, mutant: Mutant, alone: bool) -> Observation:
        observer = self._observers.get()
        try:
            told = self._refactoring_shows_in(mutant, observer)
            seen = observer.observe(
                mutant.files(self.reference),
                lambda seen: unfit_to_compare(structs.replace(seen, rewriting_shows_in=told), alone=alone),
            )
            return structs.replace(seen, rewriting_shows_in=told)
        finally:
            self._observers.put(observer)

    def _refactoring_shows_in(self, mutant: Mutant, observer: Observer) -> tuple[str, ...]:
        """What tells the refactoring alone that a bug comes with: nothing, if it is right or there is none."""
        honest = mutant.honest_files(self.reference)
        if honest is None:
            return ()
        fitting = self.asked.fit
        return observer.shows_in(honest, COMPARISONS if fitting is None else fitting.comparisons)


def extension_items() -> tuple[Item, ...]:
    """The extensions are those of the built-in exercise, with its points."""
    return tuple(item for item in builtin_exercise().rubric.item if item.kind == "extension")


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
