"""Cases for incremental decoding: a model, one batch, and how its tokens are cut into chunks.

Rows may differ in length: then each chunk brings each row a number of tokens of its own, and padding fills the rest.
"""

from itertools import pairwise
from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec.structs import replace

from grader.checks.requirements import logits_of
from grader.checks.strategies import ModelCase, chunkings, extended, model_case, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode, Settings
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds
from grader.sizes import Extent, at_most, smaller

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


class UseCase(DecodeCase, frozen=True, kw_only=True):
    """A decoding case, how many tokens are generated after it, and the state that model and tokens are in.

    Attributes:
        dropout: in eval mode, where it does nothing; in training mode there is none.
        graded: whether parameters have gradients.
        recording: whether decoding is recorded for a backward pass.
        views: whether tokens are part of a longer tensor.
        warm: whether the model was asked before its parameters became these.
    """

    new: int
    dropout: float
    training: bool
    graded: bool
    recording: bool
    views: bool
    warm: bool

    @property
    def used(self) -> Settings:
        """GPTConfig fields, with a dropout that changes nothing of the logits."""
        return self.config | {"dropout": self.dropout}

    def otherwise(self) -> "UseCase":
        """The same in the opposite state."""
        return replace(
            self,
            dropout=DROPOUT if self.training else 0.0,
            training=not self.training,
            graded=not self.graded,
            recording=not self.recording,
            views=not self.views,
            warm=not self.warm,
        )


DROPOUT: Final = 0.3
FLAGS: Final = st.tuples(*[st.booleans()] * 5)
STATES: Final = st.tuples(st.sampled_from((0.1, 0.5)), FLAGS)
ROWS: Final = (1, 1, 2, 4, 9, 17)
PROMPTS: Final = ((1, 1), (2, 4), (5, 9), (10, 16), (17, 24))  # tokens


@st.composite
def cases_in_use(draw: DrawFn) -> UseCase:
    """A prompt of any length in a batch of any size, and a few new tokens."""
    rows, lengths = draw(st.sampled_from(ROWS)), draw(st.sampled_from(PROMPTS))
    case = draw(model_cases(layers=(1, 2, 3, 4), lengths=lengths, rows=(rows, rows)))
    chunks = (case.length,) if draw(st.booleans()) else draw(chunkings(case.length))
    return _in_use(case, chunks, draw(st.integers(1, 6)), draw(STATES))


def used_at_size(extent: Extent) -> UseCase:
    """The same of about these sizes: two chunks or more, and a vocabulary that is smaller than the width, maybe."""
    random = np.random.default_rng((extent.draw, 1))
    words = extent.words if random.integers(2) else min(extent.words, extent.width // 2)
    case = decode_case(at_most(extent, layers=3, tokens=max(2, extent.tokens * 3 // 4), rows=9, words=max(3, words)))
    first = int(random.integers(1, max(2, case.length // 3)))
    chunks = case.chunks if random.integers(2) or case.length < 2 else (first, case.length - first)
    new = int(random.integers(1, max(2, extent.tokens // 3)))
    return _in_use(case, chunks, new, (DROPOUT, tuple(random.integers(0, 2, 5).astype(bool).tolist())))


def _in_use(case: ModelCase, chunks: tuple[int, ...], new: int, state: tuple[float, tuple[bool, ...]]) -> UseCase:
    dropout, (training, graded, recording, views, warm) = state
    return extended(
        case,
        UseCase,
        block_size=case.block_size + new,
        chunks=chunks,
        new=new,
        dropout=0.0 if training else dropout,
        training=training,
        graded=graded,
        recording=recording,
        views=views,
        warm=warm,
    )


Lengths = tuple[int, ...]  # one number a row


class RaggedCase(ModelCase, frozen=True, kw_only=True):
    """A model case of which row b is read in chunks of lengths[0][b], lengths[1][b], ... tokens, from the left.

    Attributes:
        lengths: by chunk, then by row.
        spare: columns of padding beside the longest row of each chunk.
        plain: chunks that are read without naming lengths; all rows have as many tokens there.
    """

    lengths: tuple[Lengths, ...]
    spare: int = 0
    plain: tuple[int, ...] = ()

    def width(self, chunk: int) -> int:
        """T_new, padding included."""
        return max(self.lengths[chunk]) + (0 if chunk in self.plain else self.spare)

    @property
    def padded(self) -> int:
        """The tokens of all chunks, padding included."""
        return sum(map(self.width, range(len(self.lengths))))

    def totals(self, chunks: int | None = None) -> Lengths:
        """How many tokens each row has read after so many chunks, after all by default."""
        read = self.lengths[:chunks]
        return tuple(sum(row) for row in zip(*read, strict=True)) if read else (0,) * len(self.tokens)

    def rows(self) -> list[Array]:
        """The tokens that each row reads: each (1, T_b)."""
        return [np.array([row[:total]], dtype=np.int64) for row, total in zip(self.tokens, self.totals(), strict=True)]

    def pieces(self) -> list[list[Array]]:
        """The same cut into chunks, by row: each (1, n), n possibly 0."""
        cuts = [(0, *np.cumsum(lengths)) for lengths in zip(*self.lengths, strict=True)]
        return [[row[:, a:b] for a, b in pairwise(ends)] for row, ends in zip(self.rows(), cuts, strict=True)]

    def real(self, chunk: int) -> Array:
        """(B, T_new) bool: what of a chunk is no padding."""
        real: Array = np.arange(self.width(chunk)) < np.array(self.lengths[chunk])[:, None]
        return real

    def chunk(self, chunk: int, shift: int = 0) -> Array:
        """One chunk: int64 (B, T_new). Another ``shift`` puts another token in every place of padding."""
        shape = (len(self.tokens), self.width(chunk))
        padding: Array = (np.add.outer(np.arange(shape[0]), np.arange(shape[1])) + shift) % self.vocab_size
        padding[self.real(chunk)] = np.concatenate([row[chunk][0] for row in self.pieces()])
        return padding

    def step(self, index: int, chunk: int, shift: int = 0) -> dict[str, Array]:
        """A chunk and its lengths, as ``Decode`` wants them for its step ``index``."""
        named = {} if chunk in self.plain else {f"lengths.{index}": np.array(self.lengths[chunk])}
        return {f"chunk.{index}": self.chunk(chunk, shift)} | named

    def steps(self) -> dict[str, Array]:
        """All chunks, in turn."""
        return {name: array for i in range(len(self.lengths)) for name, array in self.step(i, i).items()}

    def in_turn(self, seeds: Seeds, *, keep: tuple[int, ...] = ()) -> Decode:
        """Decode chunk after chunk, each continuing the one before."""
        parents = tuple(range(-1, len(self.lengths) - 1))
        return Decode(config=self.config, weights=self.seeded(seeds), parents=parents, keep=keep)

    def real_logits(self, answer: Tensors, name: str, chunk: int) -> Array:
        """The logits of a chunk that are not padding's: (N, V), row after row."""
        real: Array = logits_of(answer, name, self.real(chunk))[self.real(chunk)]
        return real

    def grid(self) -> TokenGrid:
        """The tokens that are read, for a counterexample."""
        return TokenGrid(tokens=tuple(tuple(map(int, row[0])) for row in self.rows()))

    def sizes(self) -> str:
        """How the rows are read, in words."""
        return ", then ".join(" + ".join(map(str, lengths)) for lengths in self.lengths)


@st.composite
def ragged_cases(draw: DrawFn, *, chunks: tuple[int, int] = (2, 3), least: int = 1) -> RaggedCase:
    """Rows that differ in length before the last chunk, so that something is read behind what is shorter.

    Args:
        chunks: fewest and most of them.
        least: how few tokens of a chunk a row may have. If none, some row has none.
    """
    case = draw(model_cases(lengths=(6, 7), rows=(2, 3)))
    count = draw(st.integers(*chunks))
    number = st.integers(least, case.length // count)
    each = st.tuples(*[st.tuples(*[number] * len(case.tokens))] * count)
    return ragged(case, draw(each.filter(_is_ragged if least else _pauses)), spare=draw(st.integers(0, 1)))


def ragged_case(extent: Extent) -> RaggedCase:
    """A few rows of about these sizes, in three chunks of which each brings each row another number of tokens."""
    case = model_case(at_most(smaller(extent, "tokens", max(3, extent.tokens)), rows=3))
    drawn = np.random.default_rng(extent.draw).integers(1, case.length // 3 + 1, (3, len(case.tokens)))
    return ragged(case, tuple(map(tuple, drawn.tolist())), spare=extent.draw % 2)


@st.composite
def mixed_cases(draw: DrawFn) -> RaggedCase:
    """Three chunks, of which the middle one is ragged, and the others name no lengths."""
    case = draw(model_cases(lengths=(7, 7), rows=(2, 3)))
    rows = len(case.tokens)
    first, last = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    middle = draw(st.tuples(*[st.integers(0, 3)] * rows).filter(lambda lengths: len(set(lengths)) > 1))
    return ragged(case, ((first,) * rows, middle, (last,) * rows), spare=draw(st.integers(0, 1)), plain=(0, 2))


def ragged(case: ModelCase, lengths: tuple[Lengths, ...], *, spare: int = 0, plain: tuple[int, ...] = ()) -> RaggedCase:
    """A model case read so, with no more tokens than are read, and room for its padding too."""
    drawn = extended(case, RaggedCase, lengths=lengths, spare=spare, plain=plain)
    longest = max(drawn.totals())
    tokens = tuple(row[:longest] for row in case.tokens)
    return extended(drawn, RaggedCase, tokens=tokens, block_size=drawn.padded + case.block_size - case.length)


def _is_ragged(lengths: tuple[Lengths, ...]) -> bool:
    return any(len(set(chunk)) > 1 for chunk in lengths[:-1])


def _pauses(lengths: tuple[Lengths, ...]) -> bool:
    """Whether some row has no token in a chunk, while another has; and none has nothing at all."""
    some = all(any(chunk) for chunk in lengths) and all(any(row) for row in zip(*lengths, strict=True))
    return some and any(0 in chunk for chunk in lengths)
