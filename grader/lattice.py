"""Which of the known bugs a candidate still has, told exactly by what it computes.

For the k bugs of an exercise there are 2^k variants of the reference, each with another subset left in. A
candidate that computes, bit for bit, what one variant computes has exactly that variant's bugs, however
they hide each other. Where no variant agrees bit for bit, the comparison is repeated in float64 within a
tolerance, for solutions that are right and add up in another order.

Bugs in different files are told apart by different questions (facets), so that the variants to ask are
counted by facet and not by exercise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase
from grader.compare import PARAMETERS_PER_STEP, Difference, close, first_difference
from grader.exercise import Exercise, Facet
from grader.oracle import Oracle, Trouble
from grader.record import Lane
from grader.sandbox.questions import AnyQuestion, Forward, Precision, TrainSteps
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds
from grader.strategies import ModelCase

Bugs = frozenset[str]
Asked = tuple[AnyQuestion, Tensors]

# Both V < C and V > C, B unlike T, one layer and several: sizes that keep apart what a bug mixes up. The last has
# the default sizes and a full block, so that nothing is right for small models only.
FORWARD_CASES: Final = (
    ModelCase(d_model=8, vocab_size=5, n_layer=2, block_size=9, weights=1, tokens=((0, 1, 2, 3, 4, 0, 3),) * 2),
    ModelCase(d_model=6, vocab_size=11, n_layer=1, block_size=6, weights=2, tokens=((1, 10, 4, 4, 7),) * 3),
    ModelCase(d_model=12, vocab_size=17, n_layer=3, block_size=16, weights=3, tokens=((16, 2, 9, 11, 0, 5, 5, 13),)),
    ModelCase(
        d_model=32,
        vocab_size=64,
        n_layer=2,
        block_size=32,
        weights=4,
        tokens=tuple(tuple((7 * t + 13 * row) % 64 for t in range(32)) for row in range(5)),
    ),
)
TRAIN_CASES: Final = (
    TrainCase(
        vocab_size=11, seq_len=7, batch_size=3, steps=4, lr=0.01, weight_decay=0.1, grad_clip=0.5, warmup=3, data=1
    ),
    TrainCase(
        vocab_size=7, seq_len=5, batch_size=2, steps=3, lr=0.1, weight_decay=0.0, grad_clip=50.0, warmup=0, data=2
    ),
)


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
        facet = next(facet for facet in self._exercise.rubric.facet if facet.id == "forward")
        return [self.variant(subset) for subset in self.subsets(facet) if bugs is None or subset <= bugs]

    def subsets(self, facet: Facet) -> Iterator[Bugs]:
        """All subsets of a facet's bugs: none first, then all (a candidate nobody has touched), then by size."""
        bugs = self._exercise.bugs_in(facet)
        sizes = [0, len(bugs), *range(1, len(bugs))] if bugs else [0]
        return (frozenset(subset) for size in sizes for subset in combinations(bugs, size))

    def put(self, facet: Facet, candidate: Oracle, precision: Precision = "float32") -> list[Tensors] | Trouble:
        """The candidate's answers to a facet's questions, or why there are none."""
        try:
            return [candidate.ask(*asked) for asked in self._questions(facet, precision)]
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
        for bugs in self.subsets(facet):
            if self._agrees(bugs, facet, "float32", answers, _same):
                return Match(bugs=bugs, lane=Lane.BITWISE, difference=difference, where=where)
        exact = self.put(facet, candidate, "float64")
        if isinstance(exact, Trouble):
            return Match(bugs=None, lane=Lane.BEHAVIOUR, difference=difference, where=where, trouble=exact)
        for lane, agree in LANES[facet.id]:
            for bugs in self.subsets(facet):
                if self._agrees(bugs, facet, "float64", exact, agree):
                    return Match(bugs=bugs, lane=lane, difference=difference, where=where)
        return Match(bugs=None, lane=Lane.BEHAVIOUR, difference=difference, where=where)

    def prepare(self, facets: Iterable[Facet]) -> None:
        """Have the reference's answers ready."""
        for facet in facets:
            for index in range(len(self._questions(facet, "float32"))):
                self._answer(frozenset(), facet, "float32", index)

    def agrees_with(self, other: "Lattice", facet: Facet) -> bool:
        """Whether both lattices' references, each in its own process, answer a facet with the same bits."""
        none: Bugs = frozenset()
        return all(
            first_difference(self._answer(none, facet, "float32", i), other._answer(none, facet, "float32", i)) is None
            for i in range(len(self._questions(facet, "float32")))
        )

    def _questions(self, facet: Facet, precision: Precision) -> list[Asked]:
        seeds = self._seeds
        if facet.id == "forward":
            return [
                (
                    Forward(config=case.config, weights=case.seeded(seeds), precision=precision),
                    {"tokens.0": case.token_array()},
                )
                for case in FORWARD_CASES
            ]
        return [
            (
                TrainSteps(train=train.config, width=STAND_IN_WIDTH, weights=train.weights(seeds), precision=precision),
                train.batches(seeds),
            )
            for train in TRAIN_CASES
        ]

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
        except Trouble:
            return False

    def _answer(self, bugs: Bugs, facet: Facet, precision: Precision, index: int) -> Tensors:
        key = (bugs, facet.id, precision, index)
        if key not in self._answers:
            self._answers[key] = self.variant(bugs).ask(*self._questions(facet, precision)[index])
        return self._answers[key]

    def _first_difference(self, facet: Facet, answers: list[Tensors]) -> tuple[Difference | None, str]:
        for index, (question, _) in enumerate(self._questions(facet, "float32")):
            expected = self._answer(frozenset(), facet, "float32", index)
            difference = first_difference(answers[index], expected)
            if difference is not None:
                return difference, _describe(question)
        return None, ""


def _describe(question: AnyQuestion) -> str:
    if isinstance(question, Forward):
        return "one forward of " + ", ".join(f"{name}={value}" for name, value in question.config.items())
    assert isinstance(question, TrainSteps)
    return "training a stand-in model with " + ", ".join(f"{name}={value}" for name, value in question.train.items())


def _same(answer: Tensors, expected: Tensors) -> bool:
    return first_difference(answer, expected) is None


def _close_logits(tolerance: str) -> Callable[[Tensors, Tensors], bool]:
    def agree(answer: Tensors, expected: Tensors) -> bool:
        return answer.keys() == expected.keys() and all(
            close(answer[name], expected[name], tolerance) for name in expected
        )

    return agree


def _close_training(answer: Tensors, expected: Tensors) -> bool:
    """Losses as scalars; parameters after step i within (i + 1) * 1e-6 * lr of the smallest rate in use."""
    if answer.keys() != expected.keys():
        return False
    rate = min(case.lr for case in TRAIN_CASES)
    for name, wanted in expected.items():
        got = answer[name]
        if got.shape != wanted.shape:
            return False
        if name.endswith("losses"):
            if not close(got, wanted, "scalar loss, float64"):
                return False
            continue
        steps = int(name.split(".")[1]) + 1 if name.startswith("param.") else 1
        if not np.max(np.abs(got - wanted), initial=0.0) <= PARAMETERS_PER_STEP * rate * steps:
            return False
    return True


LANES: Final[dict[str, tuple[tuple[Lane, Callable[[Tensors, Tensors], bool]], ...]]] = {
    "forward": (
        (Lane.FLOAT64, _close_logits("logits, float64")),
        (Lane.FLOAT32, _close_logits("logits, softmax in float32")),
    ),
    "training": ((Lane.FLOAT64, _close_training),),
}
