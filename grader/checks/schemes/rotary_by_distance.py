"""With rotary positions a score depends on the distance alone.

## Why it matters
Queries and keys are turned by angles that grow with their positions, and in their product only the difference of the
angles is left. If one of a pair of channels is turned otherwise than the other, it is no rotation, and the score
depends on both positions: longer texts than those of the training then look like nothing the model has seen.

## Usual causes
- Channels are paired in one way where they are turned, and in the other where angles are dealt out.
- A sign is wrong, so that pairs are stretched and not turned.
- Queries are turned and keys are not, or values are turned too.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.schemes.cases import SchemeCase, one_layer_cases
from grader.checks.schemes.distances import by_distance
from grader.result.record import TokenGrid
from grader.sandbox.questions import Influence


def holds(case: SchemeCase, context: Context) -> None:
    """Shares by distance are the same at all positions, and not the same at all distances."""
    question = Influence(config=case.config, weights=case.seeded(context.seeds), alike=True)
    shares = by_distance(context.ask(question, {"tokens": case.token_array()})["influence"])
    if np.ptp(shares) < 1e-6:
        raise CheckFailed(
            "blind",
            "how much is attended to changes with the distance",
            "it is the same at any distance",
            grid=TokenGrid(tokens=case.tokens),
        )


CHECK = Check(
    id="rotary-by-distance",
    cases=one_layer_cases("rotary", d_model=4),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=3,
)
