"""What hypothesis draws the cases from: models whose sizes all differ, their scale, tokens, and how to cut them."""

from collections.abc import Mapping
from functools import cache, partial
from itertools import cycle
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from msgspec import Struct, convert
from msgspec.structs import asdict, replace

from grader.sandbox.questions import Settings, Weights
from grader.sandbox.wire import Array
from grader.seeds import Seeds
from grader.sizes import Extent, at_most

WIDTHS: Final = (4, 6, 8)  # d_model
VOCABULARIES: Final = (3, 5, 7, 9, 11)  # never a width, some below and some above each of them
WEIGHT_DRAWS: Final = 1 << 16
SCALE: Final = 0.5  # of the weights of a small model: attention scores of about 2
FEW: Final = 8  # tokens; of longer texts not every position is tried

TokenMatrix = tuple[tuple[int, ...], ...]


class Sizes(Struct, frozen=True, kw_only=True):
    """The sizes of a model."""

    d_model: int
    vocab_size: int
    n_layer: int
    block_size: int

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return {
            "vocab_size": self.vocab_size,
            "block_size": self.block_size,
            "n_layer": self.n_layer,
            "d_model": self.d_model,
        }


class ModelCase(Sizes, frozen=True, kw_only=True):
    """A model, which of the grade's weights it gets, and one batch of tokens (B, T)."""

    weights: int
    tokens: TokenMatrix
    scale: float = SCALE

    @property
    def length(self) -> int:
        """T."""
        return len(self.tokens[0])

    def token_array(self) -> Array:
        """int64 (B, T)."""
        return np.array(self.tokens, dtype=np.int64)

    def seeded(
        self,
        seeds: Seeds,
        *,
        query_scale: float = 1.0,
        scale: float | None = None,
        factors: Mapping[str, float] = MappingProxyType({}),
    ) -> Weights:
        """The weights of this case in this grade."""
        scale = self.scale if scale is None else scale
        return Weights(seeds.derive("weights", self.weights), scale, query_scale, dict(factors))


CaseType = TypeVar("CaseType", bound=ModelCase)


def extended(case: ModelCase, kind: type[CaseType], **more: object) -> CaseType:
    """The same case as a ``kind``, with that kind's further fields."""
    return convert(asdict(case) | more, kind)


@st.composite
def model_cases(
    draw: DrawFn,
    *,
    layers: tuple[int, ...] = (1, 2),
    lengths: tuple[int, int] = (2, 7),
    rows: tuple[int, int] = (1, 3),
    spare: int = 2,
    distinct: bool = False,
    narrow: bool = False,
) -> ModelCase:
    """Cases whose sizes are pairwise different where it matters (B and T, V and C).

    Args:
        lengths: smallest and largest T.
        spare: how much block_size may exceed T, but for a block that is more than twice as long.
        distinct: all tokens of a row are different.
        narrow: the vocabulary is smaller than the model is wide.
    """
    length = draw(st.integers(*lengths))
    batch = draw(_batches(rows, length))
    vocabulary = draw(_vocabularies(length if distinct else 0, max(WIDTHS) if narrow else max(VOCABULARIES) + 1))
    row = _rows(length, vocabulary, distinct)
    return ModelCase(
        d_model=draw(_widths(vocabulary if narrow else 0)),
        vocab_size=vocabulary,
        n_layer=draw(st.sampled_from(layers)),
        block_size=length + draw(_room(length, spare)),
        weights=draw(st.integers(0, WEIGHT_DRAWS - 1)),
        tokens=tuple(draw(row) for _ in range(batch)),
    )


def model_case(extent: Extent, *, distinct: bool = False) -> ModelCase:
    """A model of these sizes and a batch for it, in which the last words of the vocabulary occur.

    Args:
        distinct: all tokens of a row are different; the vocabulary has words enough for that.
    """
    random = np.random.default_rng(extent.draw)
    words = max(extent.words, extent.tokens) if distinct else extent.words
    tokens = random.integers(0, words, (extent.rows, extent.tokens))
    for row, kind in zip(tokens, cycle((_any, _any, _few, _counting)), strict=False):
        row[:] = kind(row, words)
    tokens[:, 0] = words - 1 - np.arange(extent.rows) % words
    if distinct:
        tokens = np.stack([random.permutation(words)[: extent.tokens] for _ in range(extent.rows)])
    return ModelCase(
        d_model=extent.width,
        vocab_size=words,
        n_layer=extent.layers,
        block_size=extent.tokens + extent.room,
        weights=extent.draw % WEIGHT_DRAWS,
        tokens=tuple(map(tuple, tokens.tolist())),
        scale=SCALE * min(1.0, (max(WIDTHS) / extent.width) ** 0.5),  # wide or narrow, scores are of about one size
    )


def few_rows(extent: Extent) -> ModelCase:
    """The same with two rows at most: for what depends on the length of a text, and not on how many there are."""
    return model_case(at_most(extent, rows=2))


def one_for_each_row(case: ModelCase, first: int = 0) -> Array:
    """A position for each row, (B,): from ``first`` to the last, as many of them as there are rows for."""
    spread = np.linspace(first, case.length - 1, num=max(2, len(case.tokens))).round().astype(int)
    return spread[: len(case.tokens)]


def positions_to_try(case: ModelCase, first: int = 0) -> list[Array]:
    """Positions from ``first`` on, each entry (B,): every one, in all rows; or of a long text one for each row."""
    if case.length > FEW:
        return [one_for_each_row(case, first)]
    return [np.full(len(case.tokens), position) for position in range(first, case.length)]


# Strategies are made once for each size: making them costs more than drawing from them.


@cache
def _batches(rows: tuple[int, int], length: int) -> SearchStrategy[int]:
    """B, unlike T where there is a choice."""
    return st.sampled_from([n for n in range(rows[0], rows[1] + 1) if n != length or rows[0] == rows[1]])


@cache
def _room(length: int, spare: int) -> SearchStrategy[int]:
    return st.sampled_from((*range(spare + 1), length + 1, 2 * length))


@cache
def _vocabularies(least: int, below: int) -> SearchStrategy[int]:
    return st.sampled_from([v for v in VOCABULARIES if least <= v < below])


@cache
def _widths(above: int) -> SearchStrategy[int]:
    return st.sampled_from([width for width in WIDTHS if width > above])


@cache
def _rows(length: int, vocabulary: int, distinct: bool) -> SearchStrategy[tuple[int, ...]]:
    """One row of T tokens."""
    if distinct:
        return st.permutations(range(vocabulary)).map(lambda p: tuple(p[:length]))
    # One draw a row, where a draw for each token would cost as much as asking about it.
    return st.binary(min_size=length + 1, max_size=length + 1).map(partial(_row, vocabulary=vocabulary))


def _row(drawn: bytes, vocabulary: int) -> tuple[int, ...]:
    """A text of one kind or another: what is random may be told from what people write, and from what is trained on."""
    row = np.frombuffer(drawn, np.uint8, offset=1).astype(np.int64)
    kind = (_any, _any, _any, _few, _counting)[drawn[0] % 5]
    return tuple(kind(row, vocabulary).tolist())


def _any(row: Array, vocabulary: int) -> Array:
    return row % vocabulary


def _few(row: Array, vocabulary: int) -> Array:
    """Two words alone, the first of them the row's own first."""
    return (int(row[0]) + row % 2) % vocabulary


def _counting(row: Array, vocabulary: int) -> Array:
    """Words that count up by a stride, as those of ``make_batch`` do."""
    return (int(row[0]) + np.arange(len(row)) * (1 + int(row[-1]) % 4)) % vocabulary


@st.composite
def chunkings(draw: DrawFn, length: int) -> tuple[int, ...]:
    """Sizes of at least one token that add up to ``length``."""
    sizes: list[int] = []
    while (left := length - sum(sizes)) > 0:
        sizes.append(draw(st.integers(1, left)))
    return tuple(sizes)


# How large a case's weights are: as the grader draws them, as a fresh model has them, and between.
#
# What a mask hides and where a position reaches does not depend on it, so that it is asked of all: a model that looks
# at its weights must not be able to tell a question from ordinary use.

LARGE: Final = 0.5  # differences show best
FRESH: Final = 0.02  # what GPT-2 is initialised with
BETWEEN: Final = 0.1


def drawn_scale(case: ModelCase) -> float:
    """The scale that goes with the weights of a case."""
    return (case.scale, FRESH, BETWEEN)[case.weights % 3]


def small_scale(case: ModelCase) -> float:
    """The same where large weights are asked about by another question."""
    return (FRESH, BETWEEN)[case.weights % 2]


# The same question of a model that is wider than the default one, in sizes that no source can name in advance.

# Smallest and largest: widths and vocabularies are past the defaults of GPTConfig. Lengths are not: a table of
# positions that is too short is for the check of its shape to find.
LARGER_WIDTHS: Final = 33, 64
LARGER_VOCABULARIES: Final = 65, 96
LARGER_LENGTHS: Final = 12, 32


def larger(case: ModelCase, seeds: Seeds) -> ModelCase:
    """With as many layers, and one row of distinct tokens; its sizes are drawn by the grade's seed."""
    random = np.random.default_rng(seeds.derive("larger", case.weights))
    width, vocabulary, length = (
        int(random.integers(low, high + 1)) for low, high in (LARGER_WIDTHS, LARGER_VOCABULARIES, LARGER_LENGTHS)
    )
    return replace(
        case,
        d_model=width - width % int(case.config.get("n_head", 1)),  # which heads share out evenly
        vocab_size=vocabulary,
        block_size=length,
        tokens=(tuple(random.permutation(vocabulary)[:length].tolist()),),
    )
