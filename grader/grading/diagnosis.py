"""What the variants found for each comparison, read item by item."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from grader.checks.compare import Difference
from grader.comparisons.catalogue import BY_ID as COMPARISONS
from grader.comparisons.catalogue import TWIN_BY_ID
from grader.exercise.model import FORWARD, Exercise
from grader.files.printable import printable
from grader.grading.scoring import Verdict
from grader.grading.variants import Bugs, Match
from grader.packages.trouble import PackageDoesNotRun, PackageHung, Trouble
from grader.result.record import Counterexample, Hidden, Lane, Outcome
from grader.sandbox.questions import modules_asked
from grader.seeds import Seeds


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The matches of an exercise's comparisons and twins, by id; those that were not asked for are absent.

    Attributes:
        reordered: by comparison that is right but for rounding, the changed lines that do it; empty where that was
            not found.
    """

    exercise: Exercise
    matches: Mapping[str, Match]
    twins: Mapping[str, Match] = field(default_factory=dict)
    reordered: Mapping[str, str] = field(default_factory=dict)

    @property
    def bugs(self) -> Bugs:
        """Every bug that the comparisons tell: what checks are asked beside."""
        return frozenset().union(*(match.bugs or () for match in self.matches.values()))

    @property
    def model_bugs(self) -> Bugs | None:
        """The bugs left in the model; None when no variant agrees with it."""
        if FORWARD not in self.exercise.rubric.comparisons:
            return frozenset()  # none that shows in what the model computes
        match = self.matches.get(FORWARD)
        return match.bugs if match is not None else None

    @property
    def has_trouble(self) -> bool:
        """Whether some comparison got no answer from the candidate."""
        return any(match.trouble is not None for match in self.matches.values())

    def remaining(self) -> tuple[str, ...] | None:
        """The bugs that are left in; None unless every comparison was asked and has an exact answer."""
        rubric = self.exercise.rubric
        if not all(
            comparison in self.matches and self.matches[comparison].bugs is not None
            for comparison in rubric.comparisons
        ):
            return None
        if self._unexplained():
            return None
        return tuple(item.id for item in rubric.item if self.has_bug(item.id))

    def match_of(self, item: str) -> Match | None:
        """The match of the comparison that an item is diagnosed by; of several, the one that says most against it."""
        comparison = self._told_by(item)
        return self.matches[comparison] if comparison is not None else None

    def _told_by(self, item: str) -> str | None:
        """The comparison of that match."""
        comparisons = [comparison for comparison in self.exercise.comparisons_of(item) if comparison in self.matches]
        return max(comparisons, key=lambda comparison: _against(item, self.matches[comparison]), default=None)

    def shown_by(self, item: str) -> frozenset[str]:
        """The modules whose code is run by what an item is diagnosed by."""
        comparison = self._told_by(item)
        return frozenset() if comparison is None else _modules(comparison)

    def is_exact(self, item: str) -> bool:
        """Whether some variant agrees on everything that this item depends on."""
        match = self.match_of(item)
        return match is not None and match.bugs is not None

    def has_bug(self, item: str) -> bool:
        """Whether an item's bug is known to be left in, be it only somewhere."""
        return self._showing(item) is not None

    def _showing(self, item: str) -> Match | None:
        """The first match that says that an item's bug is in."""
        own = [
            self.matches[comparison] for comparison in self.exercise.comparisons_of(item) if comparison in self.matches
        ]
        return next((match for match in (*own, *self.twins.values()) if item in (match.bugs or ())), None)

    def sharing(self, item: str) -> set[str]:
        """The items that the same comparisons diagnose as this one, or whose bugs may show in a twin of its own."""
        alike = {
            other for comparison in self.exercise.comparisons_of(item) for other in self.exercise.bugs_in(comparison)
        }
        answers_for_twins = any(item in answerable for answerable in self.exercise.rubric.twins.values())
        return alike | ({bug.item for bug in self.exercise.key.bugs} if answers_for_twins else set())

    def _unlike_its_twin(self, item: str) -> Match | None:
        """The first twin that an item answers for and that the candidate differs from, no known bug explaining it."""
        answerable = self.exercise.rubric.twins
        return next((match for twin, match in self._unexplained().items() if item in answerable[twin]), None)

    def _unexplained(self) -> dict[str, Match]:
        """The twins that the candidate differs from, no known bug and no other twin explaining it."""
        unlike = {twin for twin, match in self.twins.items() if match.bugs != self.bugs}
        return {
            twin: match
            for twin, match in self.twins.items()
            if match.bugs is None and not unlike.intersection(_before(twin))
        }

    def exactness(self, item: str) -> Verdict:
        """The verdict on being identical bit for bit."""
        match = self.match_of(item)
        if match is None:
            return Verdict(outcome=Outcome.NOT_JUDGED, message="it was not compared")
        if match.trouble is not None:
            return _trouble(match.trouble)
        if showing := self._showing(item):
            where = f"in {showing.where}, " if showing is not match and showing.where else ""
            message = f"{where}the results are exactly those of the code with this bug left in"
            return Verdict(outcome=Outcome.FAILED, message=message)
        if match.bugs is not None and (unlike := self._unlike_its_twin(item)):
            return _trouble(unlike.trouble) if unlike.trouble is not None else _first_difference(unlike)
        if match.bugs is not None and match.lane is Lane.BITWISE:
            return Verdict(outcome=Outcome.PASSED)
        if match.is_rounding:
            return _rounding(match, self.reordered.get(self._told_by(item) or "", ""))
        return _first_difference(match)


def _before(twin: str) -> set[str]:
    """The twins that a twin comes after, and those that they come after."""
    direct = TWIN_BY_ID[twin].after
    return set(direct).union(*(_before(other) for other in direct))


def _against(item: str, match: Match) -> tuple[bool, bool, bool]:
    """How much a match says against an item: its bug is in, no variant agrees, only roughly."""
    return match.bugs is not None and item in match.bugs, match.bugs is None, match.lane is not Lane.BITWISE


def _trouble(trouble: Trouble) -> Verdict:
    if isinstance(trouble, PackageDoesNotRun):
        return Verdict(outcome=Outcome.BLOCKED, message=str(trouble))
    outcome = Outcome.TIMED_OUT if isinstance(trouble, PackageHung) else Outcome.BROKEN
    return Verdict(outcome=outcome, message=printable(str(trouble)), unexplained=True)


@cache
def _modules(comparison: str) -> frozenset[str]:
    questions = COMPARISONS[comparison].questions(Seeds(0, ""), "float32")
    return frozenset(module for question, _ in questions for module in modules_asked(question))


def _rounding(match: Match, lines: str) -> Verdict:
    """Right, in another order of operations: which, where that was found, and how far apart that is at most."""
    assert match.difference is not None, "no difference, and yet no bitwise match"
    where = f" ({lines})" if lines else ""
    # To the next power of two: exactly how far off a number is would give the reference's away.
    apart = f"at most {1 << (match.furthest - 1).bit_length()} ULP of float32 apart; " if match.furthest else ""
    return _inexact(
        match,
        f"right up to rounding: an operation stands in another order than in the starter{where}; {apart}"
        f"in {match.where}, the first to differ is {_place(match.difference)}: {match.difference.actual}",
        rounding=True,
    )


def _first_difference(match: Match) -> Verdict:
    difference = match.difference
    assert difference is not None, "no difference, and yet no bitwise match"
    narrow = "right but for a step in float32 where the rest is in float64: " if match.lane is Lane.FLOAT32 else ""
    return _inexact(
        match,
        f"{narrow}in {match.where}, the first to differ is {_place(difference)}: {difference.actual}{match.meaning}",
    )


def _place(difference: Difference) -> str:
    return f"{difference.tensor} {list(difference.element)}" if difference.element else difference.tensor


def _inexact(match: Match, seen: str, *, rounding: bool = False) -> Verdict:
    difference = match.difference
    assert difference is not None, "no difference, and yet no bitwise match"
    # How far off it is would give the reference's value away.
    note = f"{difference.ulps} ULP of float32 apart" if difference.ulps is not None else ""
    return Verdict(
        outcome=Outcome.FAILED,
        message=seen,
        unexplained=match.bugs is None,
        rounding=rounding,
        counterexample=Counterexample(
            claim="the results are the reference's, bit for bit",
            seen=seen,
            hidden=Hidden(expected=difference.expected, note=note),
        ),
    )
