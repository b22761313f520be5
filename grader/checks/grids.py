"""Logits that have the shape they must have, which of their rows moved between two answers, and how to show it."""

from collections.abc import Iterable

import numpy as np

from grader.checks.check import CheckFailed
from grader.checks.compare import TOLERANCES, differing
from grader.result.record import TokenGrid
from grader.sandbox.wire import Array, Tensors

Place = tuple[int, int]
"""(row, position)"""


def places(marked: Array) -> list[Place]:
    """Where (B, T) is true."""
    return [(int(row), int(t)) for row, t in np.argwhere(marked)]


def altered(tokens: Array, into: Array, *, moved: Iterable[Place] = (), wrong: Iterable[Place] = ()) -> TokenGrid:
    """The grid of tokens (B, T) of which some were replaced by those of ``into`` (B, T), with what the logits did."""
    changed = places(tokens != into)
    return TokenGrid(
        tokens=tuple(map(tuple, tokens.tolist())),
        changed=tuple(changed),
        replaced_by=tuple(int(into[place]) for place in changed),
        moved=tuple(moved),
        wrong=tuple(wrong),
    )


def logits_of(answer: Tensors, name: str, tokens: Array, width: int | None = None) -> Array:
    """The logits of that name, if there is one floating-point vector for each token (B, T)."""
    logits = answer[name]
    if logits.shape[:-1] != tokens.shape or logits.dtype.kind != "f" or width not in (None, logits.shape[-1]):
        raise CheckFailed(
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


def moved_rows(actual: Array, expected: Array) -> list[Place]:
    """(row, position) of each logits vector whose bits differ; both (B, T, V)."""
    if actual.shape != expected.shape or actual.ndim != 3 or actual.dtype != expected.dtype:
        raise CheckFailed(
            "shape",
            "logits have shape (B, T, V) whatever the tokens are",
            f"shapes {tuple(expected.shape)} and {tuple(actual.shape)} for the same sizes",
        )
    return places(np.asarray(differing(actual, expected).any(axis=-1)))
