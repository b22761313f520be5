"""The logits of the default configuration, for as many rows as training takes and as many tokens as fit."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly
from grader.comparisons.forward import describe
from grader.sandbox.questions import Forward, Precision, Settings, Weights
from grader.seeds import Seeds

DEFAULTS: Final[Settings] = {"vocab_size": 64, "block_size": 32, "n_layer": 2, "d_model": 32}
SHAPE: Final = (16, 32)  # TrainConfig's batch_size, GPTConfig's block_size


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward."""
    tokens = np.random.default_rng(seeds.derive("default sizes")).integers(0, int(DEFAULTS["vocab_size"]), SHAPE)
    weights = Weights(seeds.derive("weights", "default sizes"))
    return [(Forward(config=DEFAULTS, weights=weights, precision=precision), {"tokens.0": tokens})]


COMPARISON: Final = Comparison(id="default-sizes", questions=questions, describe=describe, lanes=LOGITS, nearly=nearly)
