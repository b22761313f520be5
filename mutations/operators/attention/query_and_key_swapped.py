"""Queries and keys change places: each position is scored by how well its key fits the queries of others.

## What it does
Passes the keys where the queries belong, and the queries where the keys do.

## Why it is wrong
The score of a position that looks and one that is looked at is the product of the first one's query and the second
one's key. Swapped, trained weights mean something else, and paths through the model that do it right disagree.

## Symptom
None in training from scratch: the two maps simply learn each other's part. A checkpoint of a right model gives
nonsense, and so does decoding with a cache where that was left as it was.

## How to find it
Compute the score of two tokens by hand from the weights that are named query and key. Compare the forward pass with
incremental decoding.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import Inputs, grows, inputs
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Calls and products of a query and a key that are as long as each other: keys of a cache are longer."""
    for found in inputs(source):
        if not grows(source, found.key) and not found.query.deep_equals(found.key):
            yield _swapped(source, found)


def _swapped(source: Source, found: Inputs) -> Edit:
    first, second = sorted((found.query, found.key), key=source.span)
    (start, end), (left, right) = source.span(first), source.span(second)
    last = source.span(found.node)[1] if isinstance(found.node, cst.BinaryOperation) else right
    after = source.code(second) + source.code_between(end, left) + source.code(first) + source.code_between(right, last)
    return source.replace_span(start, last, after)


HEAD = "def attend(q, k, v):\n    return (q @ k.transpose(-2, -1)).softmax(dim=-1) @ v\n\n\n"

OPERATOR = Operator(
    id="query-and-key-swapped",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/keyvank/femtoGPT/issues/30",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="A model trained here behaves differently wherever else its weights are loaded.",
        area="Give one layer weights of your own and work out by hand who attends to whom.",
        mechanism="Two roles can be exchanged without any shape changing. Which map does the token that looks go "
        "through, and which the token that is looked at?",
    ),
    examples=(
        Example(
            HEAD + "def forward(self, x):\n    y = attend(self.query(x), self.key(x), self.value(x))\n    return y\n",
            HEAD + "def forward(self, x):\n    y = attend(self.key(x), self.query(x), self.value(x))\n    return y\n",
        ),
        Example(
            "def forward(self, x):\n    q, k, v = self.qkv(x).chunk(3, dim=-1)\n"
            "    att = (q @ k.transpose(-2, -1)) * s\n    return F.softmax(att, dim=-1) @ v\n",
            "def forward(self, x):\n    q, k, v = self.qkv(x).chunk(3, dim=-1)\n"
            "    att = (k @ q.transpose(-2, -1)) * s\n    return F.softmax(att, dim=-1) @ v\n",
        ),
        Example(
            "def forward(self, x):\n    q, k, v = self.split(x)\n"
            "    return F.scaled_dot_product_attention(q, k, v, is_causal=True)\n",
            "def forward(self, x):\n    q, k, v = self.split(x)\n"
            "    return F.scaled_dot_product_attention(k, q, v, is_causal=True)\n",
        ),
        Example(
            HEAD + "def forward(self, x):\n    return attend(v=x, q=self.q(x), k=self.k(x))\n",
            HEAD + "def forward(self, x):\n    return attend(v=x, q=self.k(x), k=self.q(x))\n",
        ),
    ),
    look_alikes=(
        HEAD + "def step(q, k, v, past):\n    k = torch.cat((past, k), dim=2)\n    return attend(q, k, v)\n",
        HEAD + "def pool(x):\n    return attend(x, x, x)\n",
        "def project(q, k):\n    return q @ k.transpose(-2, -1)\n",
    ),
    edits=edits,
)
