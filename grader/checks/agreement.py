"""What cached decoding has to agree with while bugs are left in the model.

A cache that was built over a model with a bug is right if, over all cases, it agrees with one and the same
standard: the candidate's own full forward, or the full or the chunked decoding of some variant of the
reference. The candidate's own forward is tried first; a standard that fails once is never taken again.
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import numpy as np

from grader.checks.check import Context
from grader.checks.compare import close
from grader.checks.decoding_cases import DecodeCase
from grader.packages.package import Package
from grader.packages.trouble import Trouble
from grader.result.record import Lane
from grader.sandbox.questions import Forward
from grader.sandbox.wire import Array

AnyCase = TypeVar("AnyCase")


class Agreement(Generic[AnyCase]):
    """Remembers which standard has held so far.

    Args:
        standards: what the logits of a case may be, the likeliest first; at least one.
    """

    def __init__(self, context: Context, standards: Iterator[Callable[[AnyCase], Array]]) -> None:
        self._context = context
        self._standards = standards
        self._standard = next(self._standards)
        self._history: list[tuple[AnyCase, Array]] = []
        self._exhausted = False

    def holds(self, case: AnyCase, decoded: Array) -> bool:
        """Whether ``decoded`` (..., V) agrees with a standard that all earlier cases agreed with too."""
        if self._agrees(self._standard, case, decoded):
            self._history.append((case, decoded))
            return True
        if self._exhausted:
            return False
        first = self._standard
        for standard in self._standards:
            if all(self._agrees(standard, *seen) for seen in [*self._history, (case, decoded)]):
                self._standard = standard
                self._history.append((case, decoded))
                return True
        # None is left: shrinking is measured against the standard that had held until now.
        self._standard, self._exhausted = first, True
        return False

    def _agrees(self, standard: Callable[[AnyCase], Array], case: AnyCase, decoded: Array) -> bool:
        try:
            expected = standard(case)
        except Trouble:
            return False
        lane = closeness(decoded, expected)
        if lane is not None:
            self._context.lanes.add(lane)
        return lane is not None


def standards(context: Context) -> Iterator[Callable[[DecodeCase], Array]]:
    """What cached decoding may agree with."""
    yield lambda case: full(case, context.candidate, context)
    for variant in context.variants():
        yield lambda case, v=variant: full(case, v, context)  # type: ignore[misc]
        yield lambda case, v=variant: chunked(case, v, context)  # type: ignore[misc]


def full(case: DecodeCase, package: Package, context: Context) -> Array:
    """Logits (B, T, V) of one forward over all tokens."""
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    return package.ask(question, {"tokens.0": case.token_array()})["logits.0"]


def chunked(case: DecodeCase, package: Package, context: Context) -> Array:
    """Logits (B, T, V) of decoding chunk by chunk."""
    answer = package.ask(case.in_turn(context.seeds), case.chunk_tensors())
    return joined([answer[f"logits.{i}"] for i in range(len(case.chunks))])


def joined(pieces: list[Array]) -> Array:
    """Logits of consecutive chunks as one (B, T, V); an empty array when they do not fit together."""
    shapes = {(piece.ndim, piece.shape[0], piece.shape[-1]) for piece in pieces if piece.ndim == 3}
    if len(shapes) != 1 or any(piece.ndim != 3 for piece in pieces):
        return np.zeros((0,))
    return np.concatenate(pieces, axis=1)


def closeness(actual: Array, expected: Array) -> Lane | None:
    """The strictest comparison of float64 logits that holds, or None."""
    if actual.dtype.kind != "f" or expected.dtype.kind != "f":
        return None
    if close(actual, expected, "logits, float64"):
        return Lane.FLOAT64
    if close(actual, expected, "logits, softmax in float32"):
        return Lane.FLOAT32
    return None
