"""The keys and values of every row are picked from the places of the first row's.

## What it does
Takes the first row of the places that keys and values are gathered from, and stretches it over the batch.

## Why it is wrong
Where a row's tokens are depends on how many it has. From the places of another row it gets some of its own, some
padding, and misses the rest.

## Symptom
The first row of a batch is always right, and so is every row that is as long. Move a prompt within the batch, and its
answer changes.

## How to find it
Read a batch of prompts of different lengths, then the same in another order. Each row must give what it gave before.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.ragged import ALL, NEW_AXIS
from mutations.source import Source

FOUR_AXES = m.Subscript(value=m.Name(), slice=[ALL, NEW_AXIS, ALL, NEW_AXIS])
STRETCHED = m.Call(func=m.Attribute(value=FOUR_AXES, attr=m.Name("expand")), args=[m.Arg(m.Name()), m.ZeroOrMore()])
GATHER = m.Call(func=m.Attribute(attr=m.Name("gather")), args=[m.Arg(), m.Arg(STRETCHED)])


def edits(source: Source) -> Iterator[Edit]:
    """Gathers along time by an index with a row for each row of the batch: `index[:, None, :, None].expand(B, ...)`."""
    for node in source.find(GATHER):
        stretched = cst.ensure_type(cst.ensure_type(node, cst.Call).args[1].value, cst.Call)
        index = cst.ensure_type(cst.ensure_type(stretched.func, cst.Attribute).value, cst.Subscript)
        yield source.replace_within(index, index.slice[0], ":1")


OPERATOR = Operator(
    id="one-row-laid-out-for-all",
    category=Category.RAGGED,
    file="model.py",
    origin="https://github.com/gittensor-ai-lab/sparkinfer/issues/289",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.RAGGED}),
    hints=Hints(
        symptom="Whether a prompt is continued well depends on who comes first in its batch.",
        area="Look at how the keys and values of the rows are brought into one layout.",
        mechanism="Broadcasting makes two shapes fit that differ where they should not.",
    ),
    examples=(
        Example(
            "def sorted_by(x, order):\n    B, H, T, D = x.shape\n"
            "    return x.gather(2, order[:, None, :, None].expand(B, H, -1, D))\n",
            "def sorted_by(x, order):\n    B, H, T, D = x.shape\n"
            "    return x.gather(2, order[:1, None, :, None].expand(B, H, -1, D))\n",
        ),
        Example(
            "k = torch.cat(kept).gather(dim=2, index=idx[:, None, :, None].expand(n, h, T, size))  # (n, h, T, D)\n",
            "k = torch.cat(kept).gather(dim=2, index=idx[:1, None, :, None].expand(n, h, T, size))  # (n, h, T, D)\n",
        ),
    ),
    look_alikes=(
        "y = x.gather(2, order.expand(B, H, -1, D))\n",
        "y = x.gather(-1, targets[:, :, None])\n",
        "y = x.gather(2, order[:, None, :, None].expand(-1, 4, -1, 8))\n",
    ),
    edits=edits,
)
