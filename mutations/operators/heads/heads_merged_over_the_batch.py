"""Before the heads are joined, their axis is swapped with the batch instead of the time.

## What it does
Names the wrong two axes. The number of elements is the same, so the reshape that follows succeeds.

## Why it is wrong
Read in memory order, heads of different rows end up side by side in one vector: what is taken for a position of one
text holds pieces of others, and of other positions.

## Symptom
With one head nothing changes. With more the model trains, and a text is answered otherwise when another one stands
beside it in the batch.

## How to find it
Ask for one row alone, and for the same row among others. Or number the elements of a tensor of two rows, two heads and
two positions, and follow them through the swap and the reshape.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.heads import merges
from mutations.source import Source

SWAPPED = {"transpose": "0, 1", "permute": "1, 0, 2, 3"}


def edits(source: Source) -> Iterator[Edit]:
    """The axes that are swapped back, right before a reshape to three sizes."""
    for merge in merges(source):
        name = cst.ensure_type(merge.swap.func, cst.Attribute).attr.value
        (start, _), (_, end) = source.span(merge.swap.args[0]), source.span(merge.swap.args[-1])
        whole, last = source.span(merge.whole)
        after = source.code_between(whole, start) + SWAPPED[name] + source.code_between(end, last)
        yield source.replace(merge.whole, after)


CUT = """\
class Attention(nn.Module):
    def cut(self, x, B, T, H, D):
        return x.view(B, T, H, D).transpose(1, 2)

"""

OPERATOR = Operator(
    id="heads-merged-over-the-batch",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/lsdefine/attention-is-all-you-need-keras/issues/36",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="With several heads, what a text is answered depends on the texts that it is asked together with.",
        area="Follow what the heads have found out until the last projection of attention reads it.",
        mechanism="There are three axes beside the width. Say aloud which two should change places, and which do.",
    ),
    examples=(
        Example(
            CUT + "    def join(self, y, B, T, C):\n        return y.transpose(1, 2).reshape(B, T, C)  # (B, T, C)\n",
            CUT + "    def join(self, y, B, T, C):\n        return y.transpose(0, 1).reshape(B, T, C)  # (B, T, C)\n",
        ),
        Example(
            CUT + "    def join(self, att, v):\n        y = att @ v\n"
            "        y = y.transpose(1, 2).contiguous().view(B, T, C)\n        return self.c_proj(y)\n",
            CUT + "    def join(self, att, v):\n        y = att @ v\n"
            "        y = y.transpose(0, 1).contiguous().view(B, T, C)\n        return self.c_proj(y)\n",
        ),
        Example(
            CUT
            + "    def join(self, w, v):\n        return self.out((w @ v).permute(0, 2, 1, 3).reshape(B, -1, H * D))\n",
            CUT
            + "    def join(self, w, v):\n        return self.out((w @ v).permute(1, 0, 2, 3).reshape(B, -1, H * D))\n",
        ),
    ),
    look_alikes=(
        CUT + "    def turn(self, y):\n        return y.transpose(1, 2)\n",
        CUT + "    def flat(self, y):\n        return y.transpose(1, 2).reshape(B, -1)\n",
        CUT + "class Conv(nn.Module):\n    def forward(self, x):\n        return x.transpose(1, 2).reshape(B, T, C)\n",
    ),
    edits=edits,
)
