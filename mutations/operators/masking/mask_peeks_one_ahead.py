"""The causal mask lets every position see the token after it.

## What it does
Moves the diagonal of the triangular mask by one, so that position t attends to positions 0 to t + 1.

## Why it is wrong
The token after t is what position t is asked to predict. A model that may look at it learns to copy it, and has
nothing to copy when it generates.

## Symptom
The training loss falls lower than the data allows, and what the model generates is poor. Nothing crashes.

## How to find it
Change one token and compare the logits before it, bit by bit: none may move. The gradient of the logits at t by the
embedding of a later token must be exactly zero.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import CAUSAL, triangles
from mutations.source import Source

PEEKING = {"triu": "2", "tril": "1"}


def edits(source: Source) -> Iterator[Edit]:
    """Triangles cut at the causal diagonal, as a method or as a function of torch."""
    for call, name, diagonal, _ in triangles(source):
        if diagonal is not None:
            yield source.replace(diagonal, source.code(diagonal).replace(CAUSAL[name], PEEKING[name]))
        else:
            arguments = ", ".join([*map(source.code, call.args), f"diagonal={PEEKING[name]}"])
            yield source.replace(call, f"{source.code(call.func)}({arguments})")


OPERATOR = Operator(
    id="mask-peeks-one-ahead",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/RVC-Boss/GPT-SoVITS/issues/965",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="A token that is changed moves scores that stand before it.",
        area="Look at which positions may attend to which. How far ahead of a position does its sight reach?",
        mechanism="Write out what is forbidden for a sequence of three tokens and read the row of the first one.",
    ),
    examples=(
        Example(
            "mask = torch.ones(T, T, dtype=torch.bool).triu(diagonal=1)  # (T, T)\n",
            "mask = torch.ones(T, T, dtype=torch.bool).triu(diagonal=2)  # (T, T)\n",
        ),
        Example("mask = torch.triu(torch.ones(T, T), 1)\n", "mask = torch.triu(torch.ones(T, T), 2)\n"),
        Example("mask = torch.ones(T, T).triu(1).bool()\n", "mask = torch.ones(T, T).triu(2).bool()\n"),
        Example("visible = torch.ones(T, T).tril()\n", "visible = torch.ones(T, T).tril(diagonal=1)\n"),
        Example(
            'self.register_buffer("bias", torch.tril(torch.ones(n, n)).view(1, 1, n, n))\n',
            'self.register_buffer("bias", torch.tril(torch.ones(n, n), diagonal=1).view(1, 1, n, n))\n',
        ),
        Example("visible = torch.tril(ones, diagonal=0)\n", "visible = torch.tril(ones, diagonal=1)\n"),
    ),
    look_alikes=(
        "window = torch.ones(T, T).triu(diagonal=-3)\n",
        "upper = torch.triu(x)\n",
        "mask = torch.ones(T, T).triu(diagonal=offset)\n",
    ),
    edits=edits,
)
