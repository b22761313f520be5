"""The logits of a model with dropout, in evaluation."""

from typing import Final

from grader.comparisons.comparison import LOGITS, Asked, Comparison
from grader.comparisons.forward import CASES, describe
from grader.sandbox.questions import Forward, Precision
from grader.seeds import Seeds

DROPOUT: Final = 0.4


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Cases of the forward with dropout; seeded, so that one who still drops draws the same each time."""
    return [
        (
            Forward(
                config={**case.config, "dropout": DROPOUT},
                weights=case.seeded(seeds),
                precision=precision,
                seed=seeds.derive("modes") % 2**31,
            ),
            {"tokens.0": case.token_array()},
        )
        for case in CASES[:2]
    ]


COMPARISON: Final = Comparison(id="modes", questions=questions, describe=describe, lanes=LOGITS)
