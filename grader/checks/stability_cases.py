"""Precisions, long sequences, and batches in which some rows are nothing but padding."""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.check import Context
from grader.checks.compare import close
from grader.checks.strategies import ModelCase, Sizes, extended, model_cases
from grader.sandbox.questions import Precision, Weights
from grader.sandbox.wire import Array

# Scores of a few units: a softmax that is nearly decided makes much of the last digit of what it is given.
QUERY_SCALE: Final = 0.25
PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "float64", "bfloat16")


class LongCase(Sizes, frozen=True, kw_only=True):
    """One row of tokens, too long to show."""

    length: int
    weights: int

    def seeded(self, context: Context) -> Weights:
        """The weights of this case in this grade."""
        return Weights(context.seeds.derive("weights", self.weights), query_scale=QUERY_SCALE)

    def token_array(self, context: Context) -> Array:
        """int64 (1, length), drawn for this grade."""
        stream = np.random.default_rng(context.seeds.derive("long tokens", self.weights, self.length))
        return stream.integers(0, self.vocab_size, (1, self.length))


def long_case(length: int, *, spare: int = 0) -> LongCase:
    """One narrow layer: what is long here are the rows of its scores."""
    return LongCase(d_model=8, vocab_size=11, n_layer=1, block_size=length + spare, length=length, weights=0)


class EmptyRowsCase(ModelCase, frozen=True, kw_only=True):
    """A batch in two chunks. Nothing of row 0 is real in the first, and nothing of row 1 in either.

    Attributes:
        first: T of the first chunk.
        lengths: how many tokens of each chunk are real in each row: (2, B).
    """

    first: int
    lengths: tuple[tuple[int, ...], tuple[int, ...]]

    def real(self, chunk: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
        """(B, T) of a chunk: which of its tokens are no padding."""
        size = self.first if chunk == 0 else self.length - self.first
        real: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = np.arange(size) < self.length_array(chunk)[:, None]
        return real

    def length_array(self, chunk: int) -> Array:
        """int64 (B,)"""
        return np.array(self.lengths[chunk], dtype=np.int64)


@st.composite
def empty_rows_cases(draw: DrawFn) -> EmptyRowsCase:
    """Three rows. The last has padding in the first chunk too: with nothing to say, ``lengths`` might not be read."""
    case = draw(model_cases(lengths=(5, 7), rows=(3, 3)))
    first = draw(st.integers(2, case.length - 2))
    second = case.length - first
    return extended(
        case,
        EmptyRowsCase,
        first=first,
        lengths=(
            (0, 0, draw(st.integers(1, first - 1))),
            (draw(st.integers(1, second)), 0, draw(st.integers(1, second))),
        ),
    )


def near(actual: Array, expected: Array, precision: Precision) -> bool:
    """Whether logits in a precision are those that the same model gives in a longer one, but for rounding."""
    return close(actual.astype(np.float64), expected.astype(np.float64), f"logits, {precision}")
