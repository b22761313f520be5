"""Logits that have the shape they must have, and which of their rows moved between two answers."""

import numpy as np

from grader.checks.check import Counterexample
from grader.compare import TOLERANCES, differing
from grader.sandbox.wire import Array, Tensors


def logits_of(answer: Tensors, name: str, tokens: Array, width: int | None = None) -> Array:
    """The logits of that name, if there is one floating-point vector for each token (B, T)."""
    logits = answer[name]
    if logits.shape[:-1] != tokens.shape or logits.dtype.kind != "f" or width not in (None, logits.shape[-1]):
        raise Counterexample(
            "shape",
            f"tokens of shape {tuple(tokens.shape)} give a vector of scores each",
            f"they give {logits.dtype} of shape {tuple(logits.shape)}",
        )
    return logits


def beyond_rounding(actual: Array, expected: Array) -> Array:
    """(B, T) bool: which rows of float64 logits (B, T, V) moved by more than rounding. NaN moves nothing."""
    scale = np.nanmax(np.abs(expected), initial=1e-30)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(actual - expected).max(axis=-1)
    moved: Array = distance > TOLERANCES["movement beyond rounding"].relative * scale
    return moved


def moved_rows(actual: Array, expected: Array) -> list[tuple[int, int]]:
    """(row, position) of each logits vector whose bits differ; both (B, T, V)."""
    if actual.shape != expected.shape or actual.ndim != 3 or actual.dtype != expected.dtype:
        raise Counterexample(
            "shape",
            "logits have shape (B, T, V) whatever the tokens are",
            f"shapes {tuple(expected.shape)} and {tuple(actual.shape)} for the same sizes",
        )
    return [(int(row), int(t)) for row, t in np.argwhere(differing(actual, expected).any(axis=-1))]
