"""Which rows of logits moved between two answers."""

import numpy as np

from grader.checks.check import Counterexample
from grader.compare import differing
from grader.sandbox.wire import Array


def moved_rows(actual: Array, expected: Array) -> list[tuple[int, int]]:
    """(row, position) of each logits vector whose bits differ; both (B, T, V)."""
    if actual.shape != expected.shape or actual.ndim != 3:
        raise Counterexample(
            "shape",
            "logits have shape (B, T, V) whatever the tokens are",
            f"shapes {tuple(expected.shape)} and {tuple(actual.shape)} for the same sizes",
        )
    return [(int(row), int(t)) for row, t in np.argwhere(differing(actual, expected).any(axis=-1))]
