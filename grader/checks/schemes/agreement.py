"""How closely logits agree that hang on sines and cosines, which many take in float32."""

from grader.checks.cache.agreement import closeness
from grader.checks.check import Bench, Counterexample
from grader.compare import close
from grader.record import Lane, TokenGrid
from grader.sandbox.wire import Array


def compare(bench: Bench, actual: Array, expected: Array, *, claim: str, seen: str, grid: TokenGrid) -> None:
    """Require that logits agree.

    Raises:
        Counterexample: they differ by more than angles in float32 explain.
    """
    lane = closeness(actual, expected)
    if lane is None and actual.dtype.kind == "f" and close(actual, expected, "logits, angles in float32"):
        lane = Lane.FLOAT32
    if lane is None:
        raise Counterexample("logits-differ", claim, seen, grid=grid)
    bench.lanes.add(lane)
