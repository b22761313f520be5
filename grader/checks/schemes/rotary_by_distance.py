"""With rotary positions a score depends on the distance alone, and falls and rises as the published angles say.

## Why it matters
Queries and keys are turned by angles that grow with their positions, and in their product only the difference of the
angles is left. If one of a pair of channels is turned otherwise than the other, it is no rotation, and the score
depends on both positions: longer texts than those of the training then look like nothing the model has seen.

## Usual causes
- Channels are paired in one way where they are turned, and in the other where angles are dealt out.
- Pair i is not turned by 10000^(-2i/D) at each step: the base is another, or the exponent counts channels.
- Queries are turned and keys are not, or values are turned too.
"""

import numpy as np

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.schemes.cases import SchemeCase, one_layer_cases
from grader.checks.schemes.distances import by_distance
from grader.compare import close
from grader.record import TokenGrid
from grader.sandbox.questions import Influence
from grader.sandbox.wire import Array


def holds(case: SchemeCase, bench: Bench) -> None:
    """Scores by distance are sums of the cosines and sines that there must be, whichever channels are a pair."""
    question = Influence(config=case.config, weights=case.seeded(bench.seeds), alike=True)
    scores = by_distance(bench.ask(question, {"tokens": case.token_array()})["influence"])
    grid = TokenGrid(tokens=case.tokens)
    if np.ptp(scores) < 1e-6:
        raise Counterexample("blind", "scores change with the distance", "they are the same at any distance", grid=grid)
    angles = waves(len(scores), case.d_model)
    amounts, *_ = np.linalg.lstsq(angles, scores)
    if not close(angles @ amounts, scores, "log attention weights"):
        raise Counterexample(
            "other-angles",
            "each step turns pair i of a head by 10000^(-2i/D)",
            f"with D={case.d_model} no sum of the cosines and sines of these angles gives the scores",
            grid=grid,
        )


def waves(steps: int, D: int) -> Array:
    """(steps, D): how the cosine and the sine of each pair's angle differ from those one step back."""
    angle = np.arange(1, steps + 1)[:, None] * 10000.0 ** (-np.arange(0, D, 2) / D)  # (steps, D/2)
    both = np.concatenate((np.cos(angle), np.sin(angle)), axis=1)
    changes: Array = both - both[:1]
    return changes


CHECK = Check(
    id="rotary-by-distance",
    cases=one_layer_cases("rotary", d_model=4),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=3,
)
