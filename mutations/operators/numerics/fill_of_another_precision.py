"""Forbidden scores are filled with the lowest number of float32, whatever type they have.

## What it does
Replaces minus infinity by a finite number that is right for one type, and written for that type alone.

## Why it is wrong
Each floating-point type ends somewhere else. The lowest float32 lies a little below the lowest bfloat16, and far below
the lowest float16, so in a model of theirs the number does not exist.

## Symptom
None in float32 and float64. In bfloat16 the first forward raises that a value cannot be converted without overflow.

## How to find it
Move the model to another type and run it once. The constant that is named in the error has to depend on the type, or
be infinite.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import fills
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

IMPORT = m.Import(names=[m.ZeroOrMore(), m.ImportAlias(name=m.Name("torch"), asname=None), m.ZeroOrMore()])
LOWEST = "torch.finfo(torch.float32).min"
INFINITE = m.Call(func=m.Name("float")) | m.UnaryOperation(m.Minus(), m.Call() | m.Attribute(attr=m.Name("inf")))


def edits(source: Source) -> Iterator[Edit]:
    """Minus infinity that the scores of attention are filled with."""
    if not source.find(IMPORT):
        return
    for fill in fills(source):
        if m.matches(fill.value, INFINITE) and leaves_nothing_unread(source, fill.value):
            yield source.replace_within(fill.call, fill.value, LOWEST)


MADE = "import torch\n\n\ndef attend(q, k, v, hidden):\n    scores = q @ k.transpose(-2, -1)\n"

OPERATOR = Operator(
    id="fill-of-another-precision",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/espnet/espnet/pull/4584",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The model runs as it always did, until it is moved to sixteen bits: then nothing runs at all.",
        area="Look at attention, and at the constants in it.",
        mechanism="Every kind of number has an end of its own. Which of them was a constant chosen for?",
    ),
    examples=(
        Example(
            MADE + '    return scores.masked_fill(hidden, float("-inf")).softmax(dim=-1) @ v\n',
            MADE + "    return scores.masked_fill(hidden, torch.finfo(torch.float32).min).softmax(dim=-1) @ v\n",
        ),
        Example(
            MADE + "    scores.masked_fill_(hidden, -torch.inf)\n    return torch.softmax(scores, dim=-1) @ v\n",
            MADE + "    scores.masked_fill_(hidden, torch.finfo(torch.float32).min)\n"
            "    return torch.softmax(scores, dim=-1) @ v\n",
        ),
    ),
    look_alikes=(
        MADE + "    return scores.masked_fill(hidden, -1e9).softmax(dim=-1) @ v\n",
        MADE + "    return scores.softmax(dim=-1).masked_fill(hidden, 0.0) @ v\n",
        MADE + "    return scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(dim=-1) @ v\n",
    ),
    edits=edits,
)
