"""The logits of a forward pass."""

from typing import Final

from grader.checks.strategies import ModelCase
from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly, of
from grader.sandbox.questions import AnyQuestion, Forward, Precision
from grader.seeds import Seeds

# Both V < C and V > C, B unlike T, one layer and several: sizes that keep apart what a bug mixes up. The last has
# the default sizes and a full block, so that nothing is right for small models only.
CASES: Final = (
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


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of each case."""
    return [
        (
            Forward(config=case.config, weights=case.seeded(seeds), precision=precision),
            {"tokens.0": case.token_array()},
        )
        for case in CASES
    ]


def describe(question: AnyQuestion) -> str:
    """``one forward of vocab_size=5, ...``."""
    assert isinstance(question, Forward)
    return f"one forward of {of(question.config)}"


COMPARISON: Final = Comparison(id="forward", questions=questions, describe=describe, lanes=LOGITS, nearly=nearly)
