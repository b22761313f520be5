"""The logits of a forward pass whose attention scores are very large."""

from typing import Final

from grader.comparisons.comparison import Asked, Comparison, all_close
from grader.comparisons.forward import CASES, describe
from grader.result.record import Lane
from grader.sandbox.questions import Forward, Precision
from grader.seeds import Seeds

QUERY_SCALE: Final = 1e5


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Cases of the forward with queries scaled up."""
    return [
        (
            Forward(config=case.config, weights=case.seeded(seeds, query_scale=QUERY_SCALE), precision=precision),
            {"tokens.0": case.token_array()},
        )
        for case in CASES[:2]
    ]


# Scores of 1e5 carry their rounding into the softmax: what is 1e-16 elsewhere is 1e-11 here.
COMPARISON: Final = Comparison(
    id="extremes",
    questions=questions,
    describe=describe,
    lanes=((Lane.FLOAT64, all_close("scalar loss, float64")),),
)
