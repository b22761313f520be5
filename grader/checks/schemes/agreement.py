"""How closely logits agree that hang on sines and cosines, which many take in float32."""

from grader.checks.cache.agreement import closeness
from grader.checks.check import CheckFailed, Context
from grader.checks.compare import close
from grader.packages.package import Package
from grader.result.record import Lane, TokenGrid
from grader.sandbox.wire import Array


def right_ones(context: Context) -> list[Package]:
    """Who to agree with: a model with the bugs that are left, or one without, where a scheme has code of its own."""
    return [context.variant] if context.variant is context.reference else [context.variant, context.reference]


def compare(context: Context, actual: Array, *allowed: Array, claim: str, seen: str, grid: TokenGrid) -> None:
    """Require that logits agree with some that are allowed.

    Raises:
        CheckFailed: they differ from all of these by more than angles in float32 explain.
    """
    for expected in allowed:
        lane = closeness(actual, expected)
        if lane is None and actual.dtype.kind == "f" and close(actual, expected, "logits, angles in float32"):
            lane = Lane.FLOAT32
        if lane is not None:
            context.lanes.add(lane)
            return
    raise CheckFailed("logits-differ", claim, seen, grid=grid)
