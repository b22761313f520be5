"""Cases of models with dropout."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.decoding_cases import DecodeCase, decode_cases
from grader.checks.head_cases import HeadDecodeCase, head_decode_cases
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.sandbox.questions import Settings

RATES = (0.3, 0.5)


class DropoutCase(ModelCase, frozen=True, kw_only=True):
    """A model case with dropout."""

    dropout: float

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return super().config | {"dropout": self.dropout}


class DropoutDecodeCase(DecodeCase, frozen=True, kw_only=True):
    """A decode case with dropout."""

    dropout: float

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return super().config | {"dropout": self.dropout}


class DropoutHeadCase(HeadDecodeCase, frozen=True, kw_only=True):
    """A decode case with several heads and dropout."""

    dropout: float

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return super().config | {"dropout": self.dropout}


def without_dropout(case: ModelCase) -> Settings:
    """GPTConfig fields of the same model without dropout."""
    return case.config | {"dropout": 0.0}


@st.composite
def dropout_cases(draw: DrawFn, *, narrow: bool = False) -> DropoutCase:
    """Small models with a dropout that leaves none of their layers as it was."""
    case = draw(model_cases(lengths=(3, 6), rows=(2, 3), narrow=narrow))
    return extended(case, DropoutCase, dropout=draw(st.sampled_from(RATES)))


@st.composite
def dropout_decode_cases(draw: DrawFn) -> DropoutDecodeCase:
    """The same, decoded in chunks."""
    case = draw(decode_cases(lengths=(3, 6)))
    return extended(case, DropoutDecodeCase, dropout=draw(st.sampled_from(RATES)))


@st.composite
def dropout_head_cases(draw: DrawFn) -> DropoutHeadCase:
    """The same, with several heads."""
    return extended(draw(head_decode_cases()), DropoutHeadCase, dropout=draw(st.sampled_from(RATES)))
