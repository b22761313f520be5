"""The logits of a model that is larger than the default in every way.

Its sizes are drawn for each grade: no constant in a source can name them in advance.
"""

from typing import Final

import numpy as np

from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly
from grader.comparisons.forward import describe
from grader.comparisons.twins.drawn_sizes import drawn_sizes
from grader.sandbox.questions import Forward, Precision, Weights
from grader.seeds import Seeds


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward."""
    draw = np.random.default_rng(seeds.derive("larger sizes"))
    vocabulary = int(draw.integers(66, 300))
    config, rows, length = drawn_sizes(draw, length=(65, 110), rows=(17, 25), width=(34, 60), layers=(4, 6))
    question = Forward(
        config={"vocab_size": vocabulary} | config,
        weights=Weights(seeds.derive("weights", "larger sizes")),
        precision=precision,
    )
    return [(question, {"tokens.0": draw.integers(0, vocabulary, (rows, length))})]


COMPARISON: Final = Comparison(
    id="larger-sizes", questions=questions, describe=describe, lanes=LOGITS, nearly=nearly, after=("default-sizes",)
)
