"""What the lattice found for each facet, read item by item."""

from collections.abc import Mapping
from dataclasses import dataclass

from grader.exercise import FORWARD, Exercise
from grader.lattice import Bugs, Match
from grader.oracle import PackageHung
from grader.printable import printable
from grader.record import Counterexample, Hidden, Lane, Outcome
from grader.rubric import Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """The matches of an exercise's facets, by facet id; those that were not asked for are absent."""

    exercise: Exercise
    matches: Mapping[str, Match]

    @property
    def bugs(self) -> Bugs:
        """Every bug that is known to be left in."""
        return frozenset().union(*(match.bugs or () for match in self.matches.values()))

    @property
    def model_bugs(self) -> Bugs | None:
        """The bugs left in the model; None when no variant agrees with it."""
        if FORWARD not in self.exercise.rubric.facets:
            return frozenset()  # none that shows in what the model computes
        match = self.matches.get(FORWARD)
        return match.bugs if match is not None else None

    @property
    def has_trouble(self) -> bool:
        """Whether some facet got no answer from the candidate."""
        return any(match.trouble is not None for match in self.matches.values())

    def remaining(self) -> tuple[str, ...] | None:
        """The bugs that are left in; None unless every facet was asked and has an exact answer."""
        rubric = self.exercise.rubric
        if not all(facet in self.matches and self.matches[facet].bugs is not None for facet in rubric.facets):
            return None
        return tuple(item.id for item in rubric.item if item.id in self.bugs)

    def match_of(self, item: str) -> Match | None:
        """The match of the facet that an item is told by; of several, the one that says most against it."""
        matches = [self.matches[facet] for facet in self.exercise.facets_of(item) if facet in self.matches]
        return max(matches, key=lambda match: _against(item, match), default=None)

    def is_exact(self, item: str) -> bool:
        """Whether some variant agrees on everything that this item depends on."""
        match = self.match_of(item)
        return match is not None and match.bugs is not None

    def has_bug(self, item: str) -> bool:
        """Whether an item's bug is known to be left in."""
        match = self.match_of(item)
        return match is not None and match.bugs is not None and item in match.bugs

    def sharing(self, item: str) -> set[str]:
        """The items whose bugs are told by the same facets as this one's."""
        return {other for facet in self.exercise.facets_of(item) for other in self.exercise.bugs_in(facet)}

    def exactness(self, item: str) -> Verdict:
        """The verdict on being identical bit for bit."""
        match = self.match_of(item)
        if match is None:
            return Verdict(outcome=Outcome.NOT_JUDGED, message="it was not compared")
        if match.trouble is not None:
            hung = isinstance(match.trouble, PackageHung)
            outcome = Outcome.TIMED_OUT if hung else Outcome.BROKEN
            return Verdict(outcome=outcome, message=printable(str(match.trouble)))
        if self.has_bug(item):
            message = "the results are exactly those of the code with this bug left in"
            return Verdict(outcome=Outcome.FAILED, message=message)
        if match.bugs is not None and match.lane is Lane.BITWISE:
            return Verdict(outcome=Outcome.PASSED)
        return _first_difference(match)


def _against(item: str, match: Match) -> tuple[bool, bool, bool]:
    """How much a match says against an item: its bug is in, nobody agrees, only roughly."""
    return match.bugs is not None and item in match.bugs, match.bugs is None, match.lane is not Lane.BITWISE


def _first_difference(match: Match) -> Verdict:
    difference = match.difference
    assert difference is not None, "no difference, and yet no bitwise match"
    at = f"{difference.tensor} {list(difference.element)}" if difference.element else difference.tensor
    seen = f"in {match.where}, the first to differ is {at}: {difference.actual}"
    # How far off it is would give the reference's value away.
    note = f"{difference.ulps} ULP apart" if difference.ulps is not None else ""
    return Verdict(
        outcome=Outcome.FAILED,
        message=seen,
        counterexample=Counterexample(
            claim="the results are the reference's, bit for bit",
            seen=seen,
            hidden=Hidden(expected=difference.expected, note=note),
        ),
    )
