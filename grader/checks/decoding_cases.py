"""Cases for incremental decoding: a model, one batch, and how its tokens are cut into chunks."""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.strategies import ModelCase, chunkings, extended, model_case, model_cases
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array
from grader.seeds import Seeds
from grader.sizes import Extent, at_most

LONG: Final = 12  # tokens
ONE_BY_ONE: Final = 5  # tokens at the end of a long text


class DecodeCase(ModelCase, frozen=True, kw_only=True):
    """A model case whose T tokens are decoded in chunks of these sizes."""

    chunks: tuple[int, ...]

    def pieces(self) -> list[Array]:
        """The tokens, chunk by chunk: each (B, T_i)."""
        tokens, start, pieces = self.token_array(), 0, []
        for size in self.chunks:
            pieces.append(tokens[:, start : start + size].copy())
            start += size
        return pieces

    def chunk_tensors(self) -> dict[str, Array]:
        """The pieces under the names that ``Decode`` wants."""
        return {f"chunk.{i}": piece for i, piece in enumerate(self.pieces())}

    def in_turn(self, seeds: Seeds, *, keep: tuple[int, ...] = ()) -> Decode:
        """Decode chunk after chunk, each continuing the one before."""
        parents = tuple(range(-1, len(self.chunks) - 1))
        return Decode(config=self.config, weights=self.seeded(seeds), parents=parents, keep=keep)


def decode_case(extent: Extent, *, distinct: bool = False) -> DecodeCase:
    """A text of these sizes: a first chunk, a few tokens one by one, more chunks, and the last tokens one by one."""
    random = np.random.default_rng((extent.draw, extent.tokens))
    chunks = [1] if extent.tokens < LONG else [int(random.integers(extent.tokens // 4, extent.tokens // 2)), 1, 1]
    while (left := extent.tokens - sum(chunks)) > ONE_BY_ONE:
        chunks.append(int(random.integers(2, max(3, left // 2))))
    chunks += [1] * left
    return extended(model_case(extent, distinct=distinct), DecodeCase, chunks=tuple(chunks))


def few_decoded(extent: Extent) -> DecodeCase:
    """The same, beyond the default sizes with two rows at most: for what depends on the length of a text."""
    return decode_case(at_most(extent, rows=2) if extent.draw else extent)


def shallow_decoded(extent: Extent) -> DecodeCase:
    """The same with two layers at most, where one is as good as another."""
    return few_decoded(at_most(extent, layers=2))


@st.composite
def decode_cases(
    draw: DrawFn,
    *,
    lengths: tuple[int, int] = (2, 7),
    at_least: int = 2,
    distinct: bool = False,
    layers: tuple[int, ...] = (1, 2),
) -> DecodeCase:
    """Drawn models and chunkings, 1s and larger ones; at least ``at_least`` chunks.

    One token at a time hides half of all cache bugs (a missing mask inside a chunk, new keys put before old
    ones), so chunk sizes are drawn.
    """
    case = draw(model_cases(layers=layers, lengths=lengths, distinct=distinct))
    chunks = draw(chunkings(case.length).filter(lambda sizes: len(sizes) >= at_least))
    # What is cut off first is the largest, mostly: it has to come last as often.
    return extended(case, DecodeCase, chunks=chunks[:: draw(st.sampled_from((1, -1)))])
