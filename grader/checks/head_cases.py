"""Cases with more heads than one."""

from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from grader.checks.decoding_cases import DecodeCase, decode_cases, few_decoded
from grader.checks.strategies import ModelCase, extended, few_rows, model_cases
from grader.sandbox.questions import Settings
from grader.sizes import Extent, smaller

# d_model and n_head: D is never H, so that no two sizes can be taken for each other.
WIDTHS_AND_HEADS: Final = ((6, 2), (6, 3), (8, 2), (8, 4))


class HeadCase(ModelCase, frozen=True, kw_only=True):
    """A model case with ``n_head`` heads."""

    n_head: int

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return {**super().config, "n_head": self.n_head}


class HeadDecodeCase(DecodeCase, frozen=True, kw_only=True):
    """A decode case with ``n_head`` heads."""

    n_head: int

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return {**super().config, "n_head": self.n_head}


HEADS: Final = 3  # of a larger model: divides no power of two


def head_case(extent: Extent) -> HeadCase:
    """Two texts of about these sizes, for a model of several heads."""
    sizes = smaller(extent, "width", HEADS * max(2, extent.width // HEADS))
    return extended(few_rows(sizes), HeadCase, n_head=HEADS)


def head_decode_case(extent: Extent) -> HeadDecodeCase:
    """The same, decoded in chunks."""
    sizes = smaller(extent, "width", HEADS * max(2, extent.width // HEADS))
    return extended(few_decoded(sizes), HeadDecodeCase, n_head=HEADS)


@st.composite
def head_cases(draw: DrawFn, *, rows: tuple[int, int] = (1, 3)) -> HeadCase:
    """Models with several heads, never as many as layers."""
    case = draw(model_cases(rows=rows))
    d_model, n_head = draw(_sizes(case.n_layer))
    return extended(case, HeadCase, d_model=d_model, n_head=n_head)


@st.composite
def head_decode_cases(draw: DrawFn) -> HeadDecodeCase:
    """The same, decoded in drawn chunks, two at least, of which one that comes later has several tokens.

    To a single new token every cached key is open: what is masked wrongly, or in another order, does not show.
    """
    case = draw(decode_cases(lengths=(3, 7)).filter(lambda drawn: max(drawn.chunks[1:]) > 1))
    d_model, n_head = draw(_sizes(case.n_layer))
    return extended(case, HeadDecodeCase, d_model=d_model, n_head=n_head)


@cache
def _sizes(n_layer: int) -> SearchStrategy[tuple[int, int]]:
    """d_model and n_head."""
    return st.sampled_from([sizes for sizes in WIDTHS_AND_HEADS if sizes[1] != n_layer])
