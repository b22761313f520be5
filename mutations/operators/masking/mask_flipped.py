"""The causal mask is upside down: every position sees itself and its future, and none of its past.

## What it does
Takes the other triangle of the same matrix. The diagonal stays visible, so no row is left empty.

## Why it is wrong
A language model predicts what comes next from what came before. Here each position reads the answers, and has
forgotten the question.

## Symptom
The training loss collapses far below what the data allows. What the model generates depends on the last token alone.

## How to find it
Change the last token of a sequence: no logits before it may move. Change the first: all of them must. Both fail.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import CAUSAL, triangles
from mutations.source import Source

OTHER = {"triu": "tril", "tril": "triu"}
# The diagonal that leaves the main diagonal visible in the other triangle.
FLIPPED = {"triu": "-1", "tril": "0"}


def edits(source: Source) -> Iterator[Edit]:
    """Triangles cut at the causal diagonal, from the name of the triangle to the end of its arguments."""
    for triangle in triangles(source):
        call, name = triangle.call, triangle.name
        start, end = source.span(cst.ensure_type(call.func, cst.Attribute).attr)[0], source.span(call)[1]
        text = OTHER[name] + source.code_between(start + len(name), end)
        if triangle.diagonal is not None:
            left, right = source.span(triangle.diagonal)
            diagonal = source.code(triangle.diagonal).replace(CAUSAL[name], FLIPPED[name])
            text = (
                OTHER[name] + source.code_between(start + len(name), left) + diagonal + source.code_between(right, end)
            )
        yield source.replace_span(start, end, text)


OPERATOR = Operator(
    id="mask-flipped",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/pytorch/examples/issues/649",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The training loss falls to almost nothing, and generation only ever looks at the last token.",
        area="Look at which positions may attend to which: change one token and see on which side of it logits move.",
        mechanism="Print what is forbidden for four tokens. Is the first row or the last one the freest, and which "
        "should be?",
    ),
    examples=(
        Example(
            "return torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)  # (T, T)\n",
            "return torch.ones(T, T, dtype=torch.bool, device=device).tril(diagonal=-1)  # (T, T)\n",
        ),
        Example("mask = torch.triu(torch.ones(T, T), 1)\n", "mask = torch.tril(torch.ones(T, T), -1)\n"),
        Example(
            'self.register_buffer("bias", torch.tril(torch.ones(n, n)).view(1, 1, n, n))\n',
            'self.register_buffer("bias", torch.triu(torch.ones(n, n)).view(1, 1, n, n))\n',
        ),
        Example("visible = ones.tril(diagonal=0).bool()\n", "visible = ones.triu(diagonal=0).bool()\n"),
    ),
    look_alikes=(
        "decay = gates.cumsum(-1).tril()\n",
        "band = torch.ones(T, T).tril(diagonal=-3)\n",
        "upper = torch.triu(x)\n",
        "mask = torch.ones(T, T).triu(diagonal=T_past + 1)\n",
    ),
    edits=edits,
)
