"""The results of the heads are joined in the order in which they lie in memory, not position by position.

## What it does
Leaves out the swap of the head axis and the time axis before the heads are joined. The number of elements is the same,
so the reshape succeeds.

## Why it is wrong
Read row by row, a tensor of shape (B, H, T, D) holds first all positions of head 0, then all of head 1. What is taken
for one position after the reshape is a piece of a single head at several positions, later ones among them.

## Symptom
With one head nothing changes. With more the model still trains, because a large enough model learns around any
shuffle that is always the same, and it sees tokens that it is supposed to predict.

## How to find it
With two heads, change the last token: the logits before it must keep every bit. On paper, number the elements of a
small (1, 2, 2, 2) tensor and follow them through the reshape.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.heads import merges
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Reshapes to three sizes, right after the axes of heads and time were swapped back."""
    for merge in merges(source):
        (start, end), (_, swap_end) = source.span(merge.whole), source.span(merge.swap)
        method, _ = source.span(cst.ensure_type(merge.swap.func, cst.Attribute).attr)
        joined = source.code_between(start, method).rstrip().removesuffix(".").rstrip()
        yield source.replace(merge.whole, joined + source.code_between(swap_end, end))


CUT = """\
class Attention(nn.Module):
    def cut(self, x, B, T, H, D):
        return x.view(B, T, H, D).transpose(1, 2)

"""

OPERATOR = Operator(
    id="heads-merged-untransposed",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/jsbaan/transformer-from-scratch/pull/6",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="With one head all is well. With several, a model that trains nicely knows more than it has read.",
        area="Follow what the heads have found out until the last projection of attention reads it.",
        mechanism="Number the elements of a tiny tensor by head and position, and write down which of them end up "
        "in the vector of the first position.",
    ),
    examples=(
        Example(
            CUT + "    def join(self, y, B, T, C):\n        return y.transpose(1, 2).reshape(B, T, C)  # (B, T, C)\n",
            CUT + "    def join(self, y, B, T, C):\n        return y.reshape(B, T, C)  # (B, T, C)\n",
        ),
        Example(
            CUT + "    def join(self, att, v):\n        y = att @ v\n"
            "        y = y.transpose(1, 2).contiguous().view(B, T, C)\n        return self.c_proj(y)\n",
            CUT + "    def join(self, att, v):\n        y = att @ v\n"
            "        y = y.contiguous().view(B, T, C)\n        return self.c_proj(y)\n",
        ),
        Example(
            CUT.replace(".transpose(1, 2)", ".permute(0, 2, 1, 3)")
            + "    def join(self, w, v):\n        return self.out((w @ v).permute(0, 2, 1, 3).reshape(B, -1, H * D))\n",
            CUT.replace(".transpose(1, 2)", ".permute(0, 2, 1, 3)")
            + "    def join(self, w, v):\n        return self.out((w @ v).reshape(B, -1, H * D))\n",
        ),
        Example(
            "q = x.view(B, T, H, D).transpose(1, 2)\ny = y.transpose(1, 2).contiguous().view(B, T, -1)\n",
            "q = x.view(B, T, H, D).transpose(1, 2)\ny = y.contiguous().view(B, T, -1)\n",
        ),
    ),
    look_alikes=(
        CUT + "    def turn(self, y):\n        return y.transpose(1, 2)\n",
        CUT + "    def flat(self, y):\n        return y.transpose(1, 2).reshape(B, -1)\n",
        CUT + "class Conv(nn.Module):\n    def forward(self, x):\n        return x.transpose(1, 2).reshape(B, T, C)\n",
        CUT + "    def join(self, y):\n        return y.reshape(B, T, C)\n",
    ),
    edits=edits,
)
