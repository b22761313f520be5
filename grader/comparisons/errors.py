"""What the plain model refuses: more tokens than there is room for, and sizes that do not go together."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import Asked, Comparison
from grader.comparisons.forward import CASES
from grader.comparisons.refusals import describe, refused
from grader.sandbox.questions import Forward, Parameters, Precision
from grader.seeds import Seeds

CASE: Final = CASES[0]
ODD_HEADS: Final = CASE.d_model - 1


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One token too many, and a width that the heads do not divide."""
    too_long = np.resize(CASE.token_array(), (2, CASE.block_size + 1))
    return [
        (Forward(config=CASE.config, weights=CASE.seeded(seeds), precision=precision), {"tokens.0": too_long}),
        (Parameters(config={**CASE.config, "n_head": ODD_HEADS}, seed=seeds.derive("errors") % 2**31), {}),
    ]


COMPARISON: Final = Comparison(id="errors", questions=questions, describe=describe, answer=refused)
