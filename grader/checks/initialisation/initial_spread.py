"""Matrices start around zero, with the spread that is theirs: smaller where a map adds to the residual stream.

## Why it matters
Every block adds to the stream twice. If each of these maps starts as large as any other, the stream grows with the
depth before anything is learned, and a deep model starts training far from where it should.

## Usual causes
- A condition on the names of parameters is never true, so that all are drawn alike.
- The number of additions to the stream is counted wrongly.
- The spread is passed where the mean is taken, or the other way round.
"""

from typing import Final

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.initialisation.cases import LARGE
from grader.checks.projection.parameter_shapes import SizeCase
from grader.sandbox.questions import Parameters
from grader.sandbox.wire import Array

# The smallest matrix has 456 entries, whose spread is within a fifth of what it is drawn from but once in a billion
# times, and so is a normal draw cut off at two spreads. The smallest mistake to be seen is a factor of 1.41.
BAND: Final = 1.25


def holds(case: SizeCase, context: Context) -> None:
    """Mean and spread of every matrix, beside another draw of the right kind."""
    answer, variant = context.both(Parameters(config=case.config, seed=case.seed), {})
    for name, expected in sorted(variant.items()):
        if name not in answer or expected.ndim < 2:
            continue
        (mean, spread), (_, right) = _of(answer[name]), _of(expected)
        if not right / BAND <= spread <= right * BAND or not abs(mean) <= right * (BAND - 1):
            raise CheckFailed(
                "spread",
                "every matrix starts around zero, with a spread that goes by its place in the model",
                f"with n_layer={case.n_layer}, {name} starts with mean {mean:.4f} and spread {spread:.4f}",
                expected=f"a spread of about {right:.4f}",
            )


def _of(matrix: Array) -> tuple[float, float]:
    values = matrix.astype(np.float64)
    return float(values.mean()), float(values.std())


CHECK = Check(
    id="initial-spread",
    cases=LARGE,
    holds=holds,
    examples=3,
)
