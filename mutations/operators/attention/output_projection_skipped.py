"""What attention returns goes into the residual stream without the map that belongs in between.

## What it does
Leaves out the call of attention's last linear layer. The layer is still there, and still in every checkpoint.

## Why it is wrong
The output map mixes the channels that attention has averaged, and says how they are written to the stream. Without
it the values are added as they are, and several heads could never be combined.

## Symptom
The shapes fit, the loss falls. On this path the layer gets no gradient, and at the start the blocks write more to
the stream than their initialisation intends.

## How to find it
Set the weights of the layer to zero: attention must then add nothing but a constant. Do so for the forward pass and
for incremental decoding.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import output_projections
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Calls of a linear layer on what attention returned: its argument alone, or nothing if that changes no name."""
    for call in output_projections(source):
        inner, around = call.args[0].value, source.parent(call)
        if not (isinstance(around, cst.Assign) and around.targets[0].target.deep_equals(inner)):
            yield source.replace(call, source.code(inner))
        elif len(source.siblings(source.parent(around))) > 1:
            yield source.remove(source.parent(around))


LAYERS = (
    "class Attention(nn.Module):\n    def __init__(self, C):\n        self.qkv = nn.Linear(C, 3 * C)\n"
    "        self.out = nn.Linear(C, C)\n\n    def forward(self, x):\n        q, k, v = self.qkv(x).chunk(3, dim=-1)\n"
)

OPERATOR = Operator(
    id="output-projection-skipped",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/sooftware/attentions/issues/1",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="There are weights of attention that can be changed at will, and some output stays the same.",
        area="Follow a token through attention to the place where it is added to the stream.",
        mechanism="Tick off the layers that attention owns as the data passes through them.",
    ),
    examples=(
        Example(
            LAYERS
            + "        y = F.scaled_dot_product_attention(q, k, v)\n"
            + "        return self.dropout(self.out(y))  # (B, T, C)\n",
            LAYERS
            + "        y = F.scaled_dot_product_attention(q, k, v)\n        return self.dropout(y)  # (B, T, C)\n",
        ),
        Example(
            LAYERS + "        att = F.softmax(q @ k.transpose(-2, -1), dim=-1)\n        y = att @ v\n"
            "        y = y.contiguous()\n        y = self.out(y)\n        return y\n",
            LAYERS + "        att = F.softmax(q @ k.transpose(-2, -1), dim=-1)\n        y = att @ v\n"
            "        y = y.contiguous()\n        return y\n",
        ),
        Example(
            LAYERS + "        return self.out(F.scaled_dot_product_attention(q, k, v))\n",
            LAYERS + "        return F.scaled_dot_product_attention(q, k, v)\n",
        ),
    ),
    look_alikes=(
        "class MLP(nn.Module):\n    def __init__(self, C):\n        self.out = nn.Linear(C, C)\n\n"
        "    def forward(self, x):\n        y = F.gelu(x)\n        return self.out(y)\n",
        "class Attention(nn.Module):\n    def __init__(self, C, D):\n        self.out = nn.Linear(D, C)\n\n"
        "    def forward(self, q, k, v):\n        y = F.scaled_dot_product_attention(q, k, v)\n"
        "        return self.out(y)\n",
    ),
    edits=edits,
)
