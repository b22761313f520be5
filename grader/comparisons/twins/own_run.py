"""The candidate's own model under its own training: seeding, batches, optimizer and loop are all its own.

At the default configuration, all of its steps, as ``python train.py`` runs it; nothing watches it. It is the same run
in every grade, so that where the reference's answers are kept, this one is known.
"""

from typing import Final

from grader.comparisons.comparison import Asked, Comparison
from grader.comparisons.twins import whole_run as run
from grader.sandbox.questions import Precision, TwinRun
from grader.seeds import Seeds


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One run."""
    return [(TwinRun(config={}, train={}, precision=precision), {})]


COMPARISON: Final = Comparison(
    id="own-run",
    questions=questions,
    describe=run.describe,
    lanes=run.LANES,
    nearly=run.nearly,
    meaning=run.meaning,
    steady=run.in_time,
    after=("changing-modes", "gradients"),
)
