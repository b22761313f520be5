"""The logits in short floats, and of vectors whose numbers are all equal."""

from typing import Final

import numpy as np

from grader.checks.compare import close
from grader.checks.stability_cases import QUERY_SCALE
from grader.comparisons.comparison import Asked, Comparison
from grader.comparisons.forward import CASES, describe
from grader.result.record import Lane
from grader.sandbox.questions import Forward, Precision, Settings, Weights
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

LENGTH: Final = 300  # bfloat16 counts to 256
LONG: Final[Settings] = {"vocab_size": 11, "block_size": LENGTH + 20, "n_layer": 1, "d_model": 8}
FLAT: Final = {"embedding.weight": 0.0}
QUIET: Final = {"lm_head.weight": 0.2}  # small logits, so that what they may differ by is small too


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A long row in bfloat16, whatever the others are asked in; and a small case from embeddings of zeros."""
    weights = Weights(seeds.derive("weights", "precisions"), query_scale=QUERY_SCALE, factors=dict(QUIET))
    tokens = np.arange(LENGTH)[None] * 7 % 11
    case = CASES[0]
    flat = Forward(config=case.config, weights=case.seeded(seeds, factors=FLAT), precision=precision)
    return [
        (Forward(config=LONG, weights=weights, precision="bfloat16"), {"tokens.0": tokens}),
        (flat, {"tokens.0": case.token_array()}),
    ]


def agree(answer: Tensors, expected: Tensors) -> bool:
    """Each as far as its numbers go: those of a bfloat16 model come as float32."""
    tolerances = {"float32": "logits, bfloat16", "float64": "logits, float64"}
    return answer.keys() == expected.keys() and all(
        close(answer[name], wanted, tolerances[str(wanted.dtype)]) for name, wanted in expected.items()
    )


COMPARISON: Final = Comparison(id="precisions", questions=questions, describe=describe, lanes=((Lane.FLOAT64, agree),))
