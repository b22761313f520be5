"""Cases of models that are configured otherwise than the plain one: several heads, dropout, another position scheme.

What holds for every scheme is asked of those that are built: a candidate that builds one is judged by that one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final, TypeVar

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from msgspec.structs import replace

from grader.checks.check import CheckFailed, Context
from grader.checks.decoding_cases import DecodeCase, decode_cases, few_decoded
from grader.checks.strategies import ModelCase, extended, few_rows, model_cases
from grader.packages.trouble import PackageRaised
from grader.sandbox.questions import Forward, Settings, Weights
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


RATES = (0.3, 0.5)  # of dropout


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


SCHEMES: Final = ("sinusoidal", "rotary", "alibi", "relative")
SMALLEST: Final[Settings] = {"vocab_size": 3, "block_size": 4, "n_layer": 1, "d_model": 4}  # for two tokens


class SchemeCase(ModelCase, frozen=True, kw_only=True):
    """A model case of a position scheme; without one it stands for all that are built."""

    position: str | None = None
    n_head: int = 1

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return with_scheme(super().config, self.position, self.n_head)


class SchemeDecodeCase(DecodeCase, frozen=True, kw_only=True):
    """A decode case of a position scheme; without one it stands for all that are built."""

    position: str | None = None
    n_head: int = 1

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return with_scheme(super().config, self.position, self.n_head)


AnyCase = TypeVar("AnyCase", SchemeCase, SchemeDecodeCase)


def with_scheme(config: Settings, position: str | None, n_head: int = 1) -> Settings:
    """GPTConfig fields with a scheme and a number of heads, where they are not the plain ones."""
    heads: Settings = {"n_head": n_head} if n_head != 1 else {}
    return {**config, **heads, **({"position": position} if position is not None else {})}


@st.composite
def scheme_cases(
    draw: DrawFn, *, layers: tuple[int, ...] = (1, 2), lengths: tuple[int, int] = (2, 5), rows: tuple[int, int] = (1, 3)
) -> SchemeCase:
    """Models of one head or two, each an even number of channels wide: rotary positions turn pairs."""
    case = draw(model_cases(layers=layers, lengths=lengths, rows=rows))
    return extended(case, SchemeCase, n_head=draw(st.sampled_from(_heads(case))))


@st.composite
def scheme_decode_cases(draw: DrawFn) -> SchemeDecodeCase:
    """The same, decoded in two chunks at least, of which one that comes later has several tokens."""
    case = draw(decode_cases(lengths=(3, 7)).filter(lambda drawn: max(drawn.chunks[1:]) > 1))
    return extended(case, SchemeDecodeCase, n_head=draw(st.sampled_from(_heads(case))))


@st.composite
def one_layer_cases(draw: DrawFn, position: str, *, d_model: int, lengths: tuple[int, int] = (9, 11)) -> SchemeCase:
    """One row of different tokens through one layer of one head: what ``Influence`` can be read from."""
    length = draw(st.integers(*lengths))
    vocabulary = lengths[1] + 2
    return SchemeCase(
        d_model=d_model,
        vocab_size=vocabulary,
        n_layer=1,
        block_size=length + draw(st.integers(0, 2)),
        weights=draw(st.integers(0, (1 << 16) - 1)),
        tokens=(tuple(draw(st.permutations(range(vocabulary)))[:length]),),
        position=position,
    )


def each_scheme(case: AnyCase, context: Context) -> Iterator[AnyCase]:
    """The case with each scheme that the candidate has built, in turn.

    A case of several heads is asked of one where the candidate has no more; heads are another question.

    Raises:
        PackageRaised: it has built none.
    """
    for position, most_heads in _built(context).items():
        yield replace(case, position=position, n_head=min(case.n_head, most_heads))


@contextmanager
def under(position: str | None) -> Iterator[None]:
    """Say of a failure which scheme it was seen with."""
    try:
        yield
    except CheckFailed as found:
        seen = f"with position={position!r}: {found.seen}"
        raise CheckFailed(found.kind, found.claim, seen, grid=found.grid, expected=found.expected) from None


def _heads(case: ModelCase) -> tuple[int, ...]:
    return (1, 2) if case.d_model % 4 == 0 else (1,)


def _built(context: Context) -> dict[str, int]:
    """Of each scheme that a smallest model runs with, how many heads it takes: 1, or 2 for any number."""
    if "built" not in context.state:
        found, refusals = {}, []
        for position in SCHEMES:
            try:
                _run(context, position, 1)
            except PackageRaised as raised:
                refusals.append(raised)
                continue
            found[position] = 2
            try:
                _run(context, position, 2)
            except PackageRaised as raised:
                found[position] = 1 if raised.unbuilt else 2  # what breaks on two heads is to be seen to break
        if not found:
            raise next((raised for raised in refusals if raised.unbuilt), refusals[0])
        context.state["built"] = found
    built: dict[str, int] = context.state["built"]
    return built


def _run(context: Context, position: str, n_head: int) -> None:
    weights = Weights(context.seeds.derive("weights", 0))
    question = Forward(config=with_scheme(SMALLEST, position, n_head), weights=weights)
    context.ask(question, {"tokens.0": np.array([[0, 1]])})


# Plain PyTorch about position schemes that a learner can paste next to model.py.


def scheme_snippet(case: SchemeCase | SchemeDecodeCase, body: str) -> str:
    """A script that runs ``body`` over ``position``, ``model`` and ``tokens`` for each scheme that is built."""
    settings = ", ".join(f"{name}={value!r}" for name, value in case.config.items())
    return f"""import torch
from model import GPT, GPTConfig

tokens = torch.tensor({[list(row) for row in case.tokens]})
for position in {SCHEMES}:
    torch.manual_seed(0)
    try:
        model = GPT(GPTConfig({settings}, position=position)).double().eval()
        model(tokens[:, :1])
    except (NotImplementedError, ValueError):
        continue
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    with torch.no_grad():
{"".join(f"        {line}".rstrip() + chr(10) for line in body.strip().splitlines())}"""
