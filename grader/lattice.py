"""Which of the known bugs a candidate still has, told exactly by what it computes.

For the k bugs of an exercise there are 2^k variants of the reference, each with another subset left in. A
candidate that computes, bit for bit, what one variant computes has exactly that variant's bugs, however
they hide each other. Where no variant agrees bit for bit, the comparison is repeated in float64 within a
tolerance, for solutions that are right and add up in another order.

Bugs that show in different facets are told apart by different questions, so that the variants to ask are
counted by facet and not by exercise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from grader.compare import Difference, first_difference
from grader.exercise import FORWARD, Exercise
from grader.facets.facet import Facet
from grader.oracle import Oracle, Trouble, is_machines
from grader.record import Lane
from grader.sandbox.questions import Precision
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

Bugs = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a facet's comparison gave.

    Attributes:
        bugs: the bugs of the variant that agrees; None when none does.
        lane: how it agrees.
        difference: the first bit that differs from the reference, with where it was asked; None when none does.
    """

    bugs: Bugs | None
    lane: Lane
    difference: Difference | None = None
    where: str = ""
    trouble: Trouble | None = None


class Lattice:
    """The variants of an exercise's reference, made and asked as they are needed."""

    def __init__(self, exercise: Exercise, seeds: Seeds, make: Callable[[str, Mapping[str, str]], Oracle]) -> None:
        self._exercise = exercise
        self._seeds = seeds
        self._make = make
        self._oracles: dict[Bugs, Oracle] = {}
        self._answers: dict[tuple[Bugs, str, Precision, int], Tensors] = {}

    @property
    def reference(self) -> Oracle:
        """The reference with no bug left in."""
        return self.variant(frozenset())

    def variant(self, bugs: Bugs) -> Oracle:
        """The reference with these bugs left in."""
        if bugs not in self._oracles:
            name = "the reference" + (f" with {', '.join(sorted(bugs))}" if bugs else "")
            self._oracles[bugs] = self._make(name, self._exercise.variant(bugs))
        return self._oracles[bugs]

    def standards(self, bugs: Bugs | None) -> list[Oracle]:
        """The variants that an extension may agree with, the likeliest first.

        Args:
            bugs: what is known to be left in the model; None when no variant matched it. A cache may be built over
                the bugs that are there, some of them mended on the way, but not over others.
        """
        return [self.variant(subset) for subset in self.subsets(FORWARD) if bugs is None or subset <= bugs]

    def subsets(self, facet: str) -> Iterator[Bugs]:
        """All subsets of a facet's bugs: none first, then all (a candidate nobody has touched), then by size."""
        bugs = self._exercise.bugs_in(facet)
        sizes = [0, len(bugs), *range(1, len(bugs))] if bugs else [0]
        return (frozenset(subset) for size in sizes for subset in combinations(bugs, size))

    def put(self, facet: Facet, candidate: Oracle, precision: Precision = "float32") -> list[Tensors] | Trouble:
        """The candidate's answers to a facet's questions, or why there are none."""
        try:
            return [facet.ask(candidate, asked) for asked in facet.questions(self._seeds, precision)]
        except Trouble as trouble:
            return trouble

    def match(self, facet: Facet, candidate: Oracle, answers: list[Tensors] | Trouble) -> Match:
        """Find the variant that the candidate agrees with on all of a facet's questions.

        Args:
            answers: what ``put`` gave for the candidate.
        """
        if isinstance(answers, Trouble):
            return Match(bugs=None, lane=Lane.BEHAVIOUR, trouble=answers)
        difference, where = self._first_difference(facet, answers)
        for bugs in self.subsets(facet.id):
            if self._agrees(bugs, facet, "float32", answers, _same):
                return Match(bugs=bugs, lane=Lane.BITWISE, difference=difference, where=where)
        if not facet.lanes:
            return Match(bugs=None, lane=Lane.BEHAVIOUR, difference=difference, where=where)
        exact = self.put(facet, candidate, "float64")
        if isinstance(exact, Trouble):
            return Match(bugs=None, lane=Lane.BEHAVIOUR, difference=difference, where=where, trouble=exact)
        for lane, agree in facet.lanes:
            for bugs in self.subsets(facet.id):
                if self._agrees(bugs, facet, "float64", exact, agree):
                    return Match(bugs=bugs, lane=lane, difference=difference, where=where)
        return Match(bugs=None, lane=Lane.BEHAVIOUR, difference=difference, where=where)

    def prepare(self, facets: Iterable[Facet]) -> None:
        """Have the reference's answers ready."""
        for facet in facets:
            self.expected(facet)

    def expected(self, facet: Facet) -> list[Tensors]:
        """The reference's answers to a facet's questions, in float32."""
        asked = range(len(facet.questions(self._seeds, "float32")))
        return [self._answer(frozenset(), facet, "float32", index) for index in asked]

    def agrees_with(self, other: "Lattice", facet: Facet) -> bool:
        """Whether both lattices' references, each in its own process, answer a facet with the same bits."""
        pairs = zip(self.expected(facet), other.expected(facet), strict=True)
        return all(first_difference(mine, theirs) is None for mine, theirs in pairs)

    def _agrees(
        self,
        bugs: Bugs,
        facet: Facet,
        precision: Precision,
        answers: list[Tensors],
        agree: Callable[[Tensors, Tensors], bool],
    ) -> bool:
        try:
            return all(
                agree(answer, self._answer(bugs, facet, precision, index)) for index, answer in enumerate(answers)
            )
        except Trouble as trouble:
            if is_machines(trouble):
                raise
            return False  # with these bugs the reference gives no answer, and the candidate does

    def _answer(self, bugs: Bugs, facet: Facet, precision: Precision, index: int) -> Tensors:
        key = (bugs, facet.id, precision, index)
        if key not in self._answers:
            asked = facet.questions(self._seeds, precision)[index]
            self._answers[key] = facet.ask(self.variant(bugs), asked)
        return self._answers[key]

    def _first_difference(self, facet: Facet, answers: list[Tensors]) -> tuple[Difference | None, str]:
        for index, (question, _) in enumerate(facet.questions(self._seeds, "float32")):
            expected = self._answer(frozenset(), facet, "float32", index)
            difference = first_difference(answers[index], expected)
            if difference is not None:
                return difference, facet.describe(question)
        return None, ""


def _same(answer: Tensors, expected: Tensors) -> bool:
    return first_difference(answer, expected) is None
