"""The mask is multiplied by minus infinity and added, where the forbidden scores were filled.

## What it does
Makes a mask to be added out of one that says yes or no, by a product.

## Why it is wrong
One times minus infinity is minus infinity, as it should be. Zero times minus infinity is not zero but NaN: every score
that may be seen is lost.

## Symptom
All logits are NaN but those of a last position that sees everything, if there is one.

## How to find it
Print the mask as it is added. There should be zeros and infinities in it, and nothing else.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import fills
from mutations.source import Source

INFINITE = m.Call(func=m.Name("float")) | m.UnaryOperation(m.Minus(), m.Call() | m.Attribute(attr=m.Name("inf")))


def edits(source: Source) -> Iterator[Edit]:
    """Where the scores of attention are filled with minus infinity, not in place."""
    for fill in fills(source):
        if not m.matches(fill.call.func, m.Attribute(attr=m.Name("masked_fill"))) or not m.matches(
            fill.value, INFINITE
        ):
            continue
        plain = isinstance(fill.mask, cst.Name | cst.Attribute | cst.Subscript)
        mask = source.code(fill.mask) if plain else f"({source.code(fill.mask)})"
        added = f"{source.code(fill.scores)} + {mask} * {source.code(fill.value)}"
        is_read = isinstance(source.parent(fill.call), cst.Attribute)
        yield source.replace(fill.call, f"({added})" if is_read else added)


MADE = "def attend(q, k, v, hidden):\n    scores = q @ k.transpose(-2, -1)\n"

OPERATOR = Operator(
    id="infinity-times-zero",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/Jittor/jittor/pull/423",
    story=__doc__,
    visibility=Visibility.CRASH,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The very first forward gives NaN.",
        area="Follow the numbers through attention, and find the first that is none.",
        mechanism="A product with nothing is nothing, for every number but the ones that are no number.",
    ),
    examples=(
        Example(
            MADE + '    return scores.masked_fill(hidden, float("-inf")).softmax(dim=-1) @ v\n',
            MADE + '    return (scores + hidden * float("-inf")).softmax(dim=-1) @ v\n',
        ),
        Example(
            MADE + "    scores = scores.masked_fill(hidden[:T, :T] == 0, float('-inf'))\n"
            "    return F.softmax(scores, dim=-1) @ v\n",
            MADE + "    scores = scores + (hidden[:T, :T] == 0) * float('-inf')\n"
            "    return F.softmax(scores, dim=-1) @ v\n",
        ),
    ),
    look_alikes=(
        MADE + "    return scores.masked_fill(hidden, -1e9).softmax(dim=-1) @ v\n",
        MADE + "    return scores.softmax(dim=-1).masked_fill(hidden, 0.0) @ v\n",
        MADE + '    scores.masked_fill_(hidden, float("-inf"))\n    return scores.softmax(dim=-1) @ v\n',
    ),
    edits=edits,
)
