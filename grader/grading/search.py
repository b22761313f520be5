"""Drive a check by hypothesis: draw cases from a seed, and shrink the first one that fails.

Hypothesis is given nothing but the seed: no database, no files, and none of the constants it collects from
the source code at hand, so that the same seed draws the same cases on every machine.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from grader.checks.check import CheckFailed, case_key
from grader.grading.hypothesis_patch import drawing_alike
from grader.limits import SEARCH_SECONDS, SHRINK_MAX_CASES
from grader.packages.trouble import PackageDied, PackageDoesNotRun, PackageHung, PackageRaised, Stopped, Trouble
from grader.sandbox.errors import LauncherFailed
from grader.sizes import LEAST, SHRUNK, Extent, smaller

Failure = CheckFailed | Trouble


class _Stop(BaseException):
    """Leaves hypothesis at once, without shrinking."""

    def __init__(self, case: object, failure: Failure) -> None:
        super().__init__()
        self.case = case
        self.failure = failure


class ReferenceFailed(BaseException):
    """The reference, or a variant of it, gave no answer; no verdict on the candidate can follow.

    Not an ``Exception``: hypothesis must let it through, and not shrink it.
    """


@dataclass(slots=True)
class Search:
    """What a search found.

    Attributes:
        case: the smallest failing case, or the last one that passed.
        failure: how that case fails, None if no case does.
        asked: how many different cases were asked.
    """

    case: Any = None
    failure: Failure | None = None
    asked: int = 0
    _verdicts: dict[bytes, Failure | None] = field(default_factory=dict)

    def verdict(self, case: object, ask: Callable[[object], None]) -> Failure | None:
        """How ``case`` fails. A case is asked once: hypothesis sees a property that never wavers."""
        key = case_key(case)
        if time.monotonic() > self._deadline:
            raise _Stop(case, PackageHung("it took too long over all cases together"))
        if key not in self._verdicts:
            if self.failure is not None and self.asked >= self._limit:
                return None
            self.asked += 1
            self._verdicts[key] = _outcome(ask, case)
        return self._verdicts[key]

    _limit: int = 0
    _deadline: float = field(default_factory=lambda: time.monotonic() + SEARCH_SECONDS)


class Draws:
    """What was drawn for searches that found nothing, for others who ask the same: drawing takes longer than asking.

    Hypothesis draws alike for the same seed as long as no case fails, so that the questions stay the same.
    """

    MOST: Final = 512  # searches remembered

    def __init__(self) -> None:
        self._drawn: OrderedDict[tuple[object, int, int], list[Any]] = OrderedDict()

    def known(self, cases: SearchStrategy[Any], seed: int, examples: int) -> list[Any] | None:
        """All that was drawn, in its order; None when nothing is known."""
        return self._drawn.get((cases, seed, examples))

    def remember(self, cases: SearchStrategy[Any], seed: int, examples: int, drawn: list[Any]) -> None:
        """Keep what was drawn for a search that found nothing."""
        self._drawn[cases, seed, examples] = drawn
        if len(self._drawn) > self.MOST:
            self._drawn.popitem(last=False)


def search(
    cases: SearchStrategy[Any],
    ask: Callable[[Any], None],
    *,
    seed: int,
    examples: int,
    shrink: bool = True,
    draws: Draws | None = None,
) -> Search:
    """Ask up to ``examples`` cases; shrink the first that fails.

    Args:
        draws: what is known of the cases from other searches; this one adds to it.

    Raises:
        ReferenceFailed: the failure is not the candidate's.
    """
    found = Search()
    drawn: list[Any] = []
    known = draws.known(cases, seed, examples) if draws is not None else None
    if known is not None and _passes(found, known, ask):
        return found

    def property_(case: Any) -> None:
        failure = found.verdict(case, ask)
        drawn.append(case)
        if failure is None:
            if found.failure is None:
                found.case = case
            return
        if found.failure is None:
            found._limit = found.asked + SHRINK_MAX_CASES
        found.case, found.failure = case, failure
        if not shrink or _is_costly(failure):
            raise _Stop(case, failure)
        raise failure

    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    run = hypothesis.seed(seed)(settings(hypothesis.given(cases)(property_)))
    # There is no database; without a key hypothesis would parse the source of the property to make one.
    vars(run)["_hypothesis_internal_database_key"] = b"unused"
    try:
        with drawing_alike():
            run()
    except _Stop as stop:
        found.case, found.failure = stop.case, stop.failure
    except (CheckFailed, Trouble) as failure:
        found.failure = failure
    except Flaky:
        if found.failure is None:
            raise
        # It has taken its replay for another case. Each case was asked once, and what has failed has failed.
    if draws is not None and found.failure is None:
        draws.remember(cases, seed, examples, drawn)
    return found


def search_sizes(
    at_size: Callable[[Extent], Any], extents: Iterable[Extent], ask: Callable[[Any], None], *, shrink: bool = True
) -> Search:
    """Ask a case of each of these sizes; take the first that fails down, size by size, to the smallest that does.

    Raises:
        ReferenceFailed: the failure is not the candidate's.
    """
    found = Search()
    try:
        for extent in extents:
            found.case = at_size(extent)
            found.failure = found.verdict(found.case, ask)
            if found.failure is not None:
                if shrink and not _is_costly(found.failure):
                    _shrink_sizes(found, at_size, extent, ask)
                break
    except _Stop as stop:
        found.case, found.failure = stop.case, stop.failure
    return found


def _shrink_sizes(found: Search, at_size: Callable[[Extent], Any], extent: Extent, ask: Callable[[Any], None]) -> None:
    """Halve one size after the other between one that passes and one that fails in the same way."""
    assert found.failure is not None
    kind = found.failure.kind
    found._limit = found.asked + SHRINK_MAX_CASES
    for name in SHRUNK:
        low, high = getattr(LEAST, name), getattr(extent, name)
        size = low
        while low < high:
            trial = smaller(extent, name, size)
            case = at_size(trial)
            failure = found.verdict(case, ask)
            if failure is not None and failure.kind == kind:
                found.case, found.failure, extent, high = case, failure, trial, size
            else:
                low = size + 1
            size = (low + high) // 2


def _passes(found: Search, known: list[Any], ask: Callable[[Any], None]) -> bool:
    """Whether none of these cases fails; one that does is left for hypothesis to come upon again, and to shrink."""
    try:
        for case in known:
            if found.verdict(case, ask) is not None:
                return False
            found.case = case
    except _Stop as stop:
        found.case, found.failure = stop.case, stop.failure
    return True


def _is_costly(failure: Failure) -> bool:
    """Whether each case that fails so costs a worker or a deadline, or they all fail alike."""
    if isinstance(failure, PackageRaised):
        return failure.unbuilt
    return isinstance(failure, PackageDied | PackageHung | PackageDoesNotRun)


def _outcome(ask: Callable[[object], None], case: object) -> Failure | None:
    try:
        ask(case)
    except Trouble as trouble:
        if trouble.trusted:
            raise ReferenceFailed(str(trouble)) from None
        return trouble
    except CheckFailed as failure:
        return failure
    except LauncherFailed as error:
        raise Stopped from error
    return None
