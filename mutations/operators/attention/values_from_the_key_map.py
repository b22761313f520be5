"""The values are made by the map that makes the keys.

## What it does
Calls the key layer a second time where the value layer belongs: the slip of a copied line.

## Why it is wrong
What a token is found by and what it then hands over are two different things, with weights of their own. Here one
map has to serve both, and the other has no part in the result.

## Symptom
Where it happens in training, the model learns a little worse and the value layer keeps its initial weights to the
end. Where it happens in decoding, generation does not match what was trained.

## How to find it
Change the weights of the value layer and see, on each way through the model, whether anything moves. Compare the
forward pass with incremental decoding.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import inputs, linear_calls
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Calls of the layer that makes the values, where keys and values are made by one layer each."""
    for found in inputs(source):
        keys, values = linear_calls(source, found.key), linear_calls(source, found.value)
        if len(keys) != 1 or len(values) != 1:
            continue
        key, value = keys[0], values[0]
        layer = cst.ensure_type(value.func, cst.Attribute).attr
        if not key.func.deep_equals(value.func):
            yield source.replace_within(value, layer, cst.ensure_type(key.func, cst.Attribute).attr.value)


LAYERS = (
    "class Attention(nn.Module):\n    def __init__(self, C):\n        self.query = nn.Linear(C, C)\n"
    "        self.key = nn.Linear(C, C)\n        self.value = nn.Linear(C, C)\n\n"
)
ATTEND = "def attend(q, k, v):\n    return (q @ k.transpose(-2, -1)).softmax(dim=-1) @ v\n\n\n"

OPERATOR = Operator(
    id="values-from-the-key-map",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/yflyzhang/AnnotatedTransformer/issues/1",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="There are weights of attention that can be changed at will, and some output stays the same.",
        area="Look at the three maps that attention reads its input through.",
        mechanism="Count how often each of them is called in one pass.",
    ),
    examples=(
        Example(
            ATTEND
            + LAYERS
            + "    def forward(self, x):\n        return attend(self.query(x), self.key(x), self.value(x))\n",
            ATTEND
            + LAYERS
            + "    def forward(self, x):\n        return attend(self.query(x), self.key(x), self.key(x))\n",
        ),
        Example(
            LAYERS + "    def forward(self, x):\n        k = self.key(x)\n        q = self.query(x)\n"
            "        wei = F.softmax(q @ k.transpose(-2, -1), dim=-1)\n        v = self.value(x)  # (B, T, C)\n"
            "        return wei @ v\n",
            LAYERS + "    def forward(self, x):\n        k = self.key(x)\n        q = self.query(x)\n"
            "        wei = F.softmax(q @ k.transpose(-2, -1), dim=-1)\n        v = self.key(x)  # (B, T, C)\n"
            "        return wei @ v\n",
        ),
        Example(
            LAYERS + "    def forward(self, x):\n"
            "        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))\n"
            "        return F.scaled_dot_product_attention(q, k, v)\n",
            LAYERS + "    def forward(self, x):\n"
            "        q, k, v = split(self.query(x)), split(self.key(x)), split(self.key(x))\n"
            "        return F.scaled_dot_product_attention(q, k, v)\n",
        ),
    ),
    look_alikes=(
        LAYERS + "    def forward(self, x):\n        return self.query(x), self.key(x), self.value(x)\n",
        "class Attention(nn.Module):\n    def __init__(self, C):\n        self.qkv = nn.Linear(C, 3 * C)\n\n"
        "    def forward(self, x):\n        q, k, v = self.qkv(x).chunk(3, dim=-1)\n"
        "        return F.scaled_dot_product_attention(q, k, v)\n",
    ),
    edits=edits,
)
