"""Which of the known bugs a candidate still has, found exactly by what it computes.

For the k bugs of an exercise there are 2^k variants of the reference, each with another subset left in. A
candidate that computes, bit for bit, what one variant computes has exactly that variant's bugs, however
they hide each other. Where no variant agrees bit for bit, the diagnosis is repeated in float64 within a
tolerance, for solutions that are right and add up in another order.

Bugs that show in different comparisons are separated by different questions, so that the variants to ask are
counted by comparison and not by exercise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import combinations

from grader.checks.compare import Difference, first_difference, furthest
from grader.comparisons.comparison import Comparison
from grader.exercise.model import FORWARD, Exercise
from grader.packages.package import Package
from grader.packages.trouble import Trouble, is_machines
from grader.result.record import Lane
from grader.sandbox.questions import Precision
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

Bugs = frozenset[str]
_Key = tuple[Bugs, str, Precision, int]  # of an answer: whose, to which question of which comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a comparison with the variants gave.

    Attributes:
        bugs: the bugs of the variant that agrees; None when none does.
        lane: how it agrees.
        difference: the first bit that differs from what it was compared with, with where it was asked, and what that
            tells; None when none does.
        furthest: how far apart they are at most, in ULP of float32; None where that cannot be counted.
    """

    bugs: Bugs | None
    lane: Lane
    difference: Difference | None = None
    where: str = ""
    meaning: str = ""
    trouble: Trouble | None = None
    furthest: int | None = None

    @property
    def is_rounding(self) -> bool:
        """Whether what differs from the variant that agrees is rounding, and nothing that was taken in float32."""
        return self.bugs is not None and self.lane is Lane.FLOAT64


class Variants:
    """The variants of an exercise's reference, made and asked as they are needed."""

    def __init__(self, exercise: Exercise, seeds: Seeds, make: Callable[[str, Mapping[str, str]], Package]) -> None:
        self._exercise = exercise
        self._seeds = seeds
        self._make = make
        self._oracles: dict[Bugs, Package] = {}
        self._answers: dict[_Key, Tensors] = {}

    @property
    def reference(self) -> Package:
        """The reference with no bug left in."""
        return self.variant(frozenset())

    def variant(self, bugs: Bugs) -> Package:
        """The reference with these bugs left in."""
        if bugs not in self._oracles:
            name = "the reference" + (f" with {', '.join(sorted(bugs))}" if bugs else "")
            self._oracles[bugs] = self._make(name, self._exercise.variant(bugs))
        return self._oracles[bugs]

    def standards(self, bugs: Bugs | None) -> list[Package]:
        """The variants that an extension may agree with, the likeliest first.

        Args:
            bugs: what is known to be left in the model; None when no variant matched it. A cache may be built over
                the bugs that are there, some of them fixed on the way, but not over others.
        """
        return [self.variant(subset) for subset in self.subsets(FORWARD) if bugs is None or subset <= bugs]

    def subsets(self, comparison: str) -> Iterator[Bugs]:
        """All subsets of a comparison's bugs: none first, then all (an unchanged starter), then by size."""
        bugs = self._exercise.bugs_in(comparison)
        sizes = [0, len(bugs), *range(1, len(bugs))] if bugs else [0]
        return (frozenset(subset) for size in sizes for subset in combinations(bugs, size))

    def likely(self, expected: Bugs, seen: Bugs) -> list[Bugs]:
        """The bugs that a candidate may have where it is asked otherwise than it was expected to have them.

        Args:
            expected: those that it has wherever it is asked.
            seen: those and others that have shown where it was asked otherwise before.
        """
        known = {bug.item for bug in self._exercise.key.bugs}
        one_more = [bugs | {bug} for bugs in (seen, expected) for bug in sorted(known)]
        others = dict.fromkeys([seen, *one_more, frozenset(known)])
        return [bugs for bugs in others if bugs != expected]

    def put(
        self, comparison: Comparison, candidate: Package, precision: Precision = "float32"
    ) -> list[Tensors] | Trouble:
        """The candidate's answers to a comparison's questions, or why there are none."""
        try:
            return [comparison.ask(candidate, asked) for asked in comparison.questions(self._seeds, precision)]
        except Trouble as trouble:
            return trouble

    def put_beside(self, comparison: Comparison, candidate: Package, bugs: Bugs) -> list[Tensors] | Trouble:
        """The same in float32, while the variant with these bugs works out its answers, for ``match`` to find."""
        answers: list[Tensors] = []
        for index, asked in enumerate(comparison.questions(self._seeds, "float32")):
            with self._working(bugs, comparison, index):
                try:
                    answers.append(comparison.ask(candidate, asked))
                except Trouble as trouble:
                    return trouble
        return answers

    @contextmanager
    def _working(self, bugs: Bugs, comparison: Comparison, index: int) -> Iterator[None]:
        """A variant's answer in float32 is computed meanwhile; one that failed is asked again when it is needed."""
        key: _Key = (bugs, comparison.id, "float32", index)
        if key in self._answers:
            yield
            return
        variant = self.variant(bugs)
        variant.send(*comparison.questions(self._seeds, "float32")[index])
        try:
            yield
        finally:
            with suppress(Trouble):
                self._answers[key] = comparison.steady(variant.receive())

    def match(
        self,
        comparison: Comparison,
        candidate: Package,
        answers: list[Tensors] | Trouble,
        among: Iterable[Bugs] | None = None,
    ) -> Match:
        """Find the variant that the candidate agrees with on all of a comparison's questions.

        Args:
            answers: what ``put`` gave for the candidate.
            among: the bugs of the variants that may be it, the one first that it is expected to be: differences
                are named beside that one. By default all that there are, and differences from the reference.
        """
        if isinstance(answers, Trouble):
            return Match(bugs=None, lane=Lane.BEHAVIOUR, trouble=answers)
        candidates = list(self.subsets(comparison.id) if among is None else among)
        found = self._beside(comparison, answers, frozenset() if among is None else candidates[0])
        for bugs in candidates:
            if self._agrees(bugs, comparison, "float32", answers, _same):
                return replace(found, bugs=bugs, lane=Lane.BITWISE)
        near = [bugs for bugs in candidates if self._is_near(bugs, comparison, answers)]
        if not comparison.lanes or not near:
            return found
        exact = self.put(comparison, candidate, "float64")
        if isinstance(exact, Trouble):
            return replace(found, trouble=exact)
        for lane, agree in comparison.lanes:
            for bugs in near:
                if self._agrees(bugs, comparison, "float64", exact, agree):
                    apart = self._furthest(comparison, answers, bugs)
                    return replace(self._beside(comparison, answers, bugs), bugs=bugs, lane=lane, furthest=apart)
        return found

    def same_bits(self, comparison: Comparison, answers: list[Tensors] | Trouble, bugs: Bugs) -> bool:
        """Whether answers in float32 are those of the variant with these bugs, bit for bit."""
        return not isinstance(answers, Trouble) and self._agrees(bugs, comparison, "float32", answers, _same)

    def same_bits_in_places(
        self, comparison: Comparison, answers: list[Tensors] | Trouble, bugs: Bugs, others: Bugs
    ) -> bool:
        """Whether each answer in float32 is bit for bit that of the variant with these bugs, or with those others."""
        if isinstance(answers, Trouble):
            return False
        try:
            return all(
                any(_same(answer, self._answer(either, comparison, "float32", index)) for either in (bugs, others))
                for index, answer in enumerate(answers)
            )
        except Trouble as trouble:
            if is_machines(trouble):
                raise
            return False  # with these bugs the reference gives no answer, and the candidate does

    def prepare(self, comparisons: Iterable[Comparison]) -> None:
        """Have the reference's answers ready."""
        for comparison in comparisons:
            self.expected(comparison)

    def expected(self, comparison: Comparison) -> list[Tensors]:
        """The reference's answers to a comparison's questions, in float32."""
        asked = range(len(comparison.questions(self._seeds, "float32")))
        return [self._answer(frozenset(), comparison, "float32", index) for index in asked]

    def answers(self, comparison: Comparison, bugs: Bugs) -> bool:
        """Whether the variant with these bugs answers a comparison's questions. The reference has to: ``Trouble``."""
        try:
            for index in range(len(comparison.questions(self._seeds, "float32"))):
                self._answer(bugs, comparison, "float32", index)
        except Trouble as trouble:
            if not bugs or is_machines(trouble):
                raise
            return False
        return True

    def agrees_with(self, other: "Variants", comparison: Comparison) -> bool:
        """Whether both variants' references, each in its own process, answer a comparison with the same bits."""
        pairs = zip(self.expected(comparison), other.expected(comparison), strict=True)
        return all(first_difference(mine, theirs) is None for mine, theirs in pairs)

    def _is_near(self, bugs: Bugs, comparison: Comparison, answers: list[Tensors]) -> bool:
        """Whether float32 answers are those of a variant but for rounding: what is right in float64 alone is not."""
        return comparison.nearly is None or self._agrees(bugs, comparison, "float32", answers, comparison.nearly)

    def _agrees(
        self,
        bugs: Bugs,
        comparison: Comparison,
        precision: Precision,
        answers: list[Tensors],
        agree: Callable[[Tensors, Tensors], bool],
    ) -> bool:
        try:
            return all(
                agree(answer, self._answer(bugs, comparison, precision, index)) for index, answer in enumerate(answers)
            )
        except Trouble as trouble:
            if is_machines(trouble):
                raise
            return False  # with these bugs the reference gives no answer, and the candidate does

    def _answer(self, bugs: Bugs, comparison: Comparison, precision: Precision, index: int) -> Tensors:
        key = (bugs, comparison.id, precision, index)
        if key not in self._answers:
            asked = comparison.questions(self._seeds, precision)[index]
            self._answers[key] = comparison.ask(self.variant(bugs), asked)
        return self._answers[key]

    def _beside(self, comparison: Comparison, answers: list[Tensors], bugs: Bugs) -> Match:
        """Where answers in float32 first differ from those of one variant; whether any agrees is not said by that."""
        for index, (question, _) in enumerate(comparison.questions(self._seeds, "float32")):
            difference = first_difference(answers[index], self._answer(bugs, comparison, "float32", index))
            if difference is not None:
                where, meaning = comparison.describe(question), comparison.meaning(difference.tensor)
                return Match(bugs=None, lane=Lane.BEHAVIOUR, difference=difference, where=where, meaning=meaning)
        return Match(bugs=None, lane=Lane.BEHAVIOUR)

    def _furthest(self, comparison: Comparison, answers: list[Tensors], bugs: Bugs) -> int | None:
        """How far answers in float32 are from those of one variant, at most."""
        expected = (self._answer(bugs, comparison, "float32", index) for index in range(len(answers)))
        apart = [furthest(*pair) for pair in zip(answers, expected, strict=True)]
        return None if None in apart else max(each for each in apart if each is not None)


def _same(answer: Tensors, expected: Tensors) -> bool:
    return first_difference(answer, expected) is None
