"""The logits in short floats, and of vectors whose numbers are all equal."""

from typing import Final

import numpy as np

from grader.facets.agreement import all_close
from grader.facets.facet import Asked, Facet
from grader.facets.forward import CASES, describe
from grader.record import Lane
from grader.sandbox.questions import Forward, Precision, Settings, Weights
from grader.seeds import Seeds

LENGTH: Final = 300  # bfloat16 counts to 256
LONG: Final[Settings] = {"vocab_size": 11, "block_size": LENGTH + 20, "n_layer": 1, "d_model": 8}
FLAT: Final = {"embedding.weight": 0.0}


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A long row in bfloat16, whatever the others are asked in; and a small case from embeddings of zeros."""
    weights = Weights(seeds.derive("weights", "precisions"))
    tokens = np.arange(LENGTH)[None] * 7 % 11
    case = CASES[0]
    flat = Forward(config=case.config, weights=case.seeded(seeds, factors=FLAT), precision=precision)
    return [
        (Forward(config=LONG, weights=weights, precision="bfloat16"), {"tokens.0": tokens}),
        (flat, {"tokens.0": case.token_array()}),
    ]


# In sixteen bits there is no closer lane: what agrees in float64 is asked by other facets.
FACET: Final = Facet(
    id="precisions",
    questions=questions,
    describe=describe,
    lanes=((Lane.FLOAT64, all_close("logits, bfloat16")),),
)
