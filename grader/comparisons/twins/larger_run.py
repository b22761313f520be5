"""A few steps of the candidate's own training at sizes beyond the default, with the gradients of some of the steps."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import Asked, Comparison
from grader.comparisons.twins import whole_run as run
from grader.comparisons.twins.drawn_sizes import drawn_sizes
from grader.sandbox.questions import Precision, TwinRun
from grader.seeds import Seeds


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One run, of sizes drawn for each grade."""
    draw = np.random.default_rng(seeds.derive("larger run"))
    vocabulary = int(draw.integers(17, 33))  # below the width: targets fit logits of either size
    config, rows, length = drawn_sizes(draw, length=(33, 45), rows=(17, 23), width=(33, 40), layers=(3, 4))
    steps = int(draw.integers(5, 8))
    question = TwinRun(
        config=config,
        train={
            "vocab_size": vocabulary,
            "seq_len": length,
            "batch_size": rows,
            "steps": steps,
            "seed": run.drawn_seed(draw),
        },
        precision=precision,
        watched=(0, int(draw.integers(1, steps - 1)), steps - 1),
    )
    return [(question, {})]


COMPARISON: Final = Comparison(
    id="larger-run",
    questions=questions,
    describe=run.describe,
    lanes=run.LANES,
    nearly=run.nearly,
    meaning=run.meaning,
    steady=run.in_time,
    after=("larger-sizes", "own-run"),
)
