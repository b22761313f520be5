"""The scores of attention are scaled up where they should be scaled down.

## What it does
Multiplies by what the scores should be divided by, or the other way round.

## Why it is wrong
Scaling undoes the growth of the scores with the width. Turned round it doubles that growth: in a model of width 64
every score is 64 times too large.

## Symptom
The softmax saturates: one token gets nearly all the weight and the others get neither weight nor gradient. A narrow
model trains all the same; a wide one gets stuck early.

## How to find it
Recompute the weights of one layer by hand, or look at how close the largest weight of each row is to one at the
start of training.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import scales
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Where the scores of attention are scaled: the other of `/` and `*`."""
    for scale in scales(source):
        node = scale.node
        left, right = (node.left, node.right) if isinstance(node, cst.BinaryOperation) else (node.target, node.value)
        start, end = source.span(node)
        end_left, start_right = source.span(left)[1], source.span(right)[0]
        between = source.code_between(end_left, start_right).translate(str.maketrans("/*", "*/"))
        yield source.replace(
            node, source.code_between(start, end_left) + between + source.code_between(start_right, end)
        )


HEAD = "def attend(q, k, v, mask):\n"
TAIL = "    return scores.masked_fill(mask, -1e9).softmax(dim=-1) @ v\n"

OPERATOR = Operator(
    id="scale-inverted",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/esceptico/perceiver-io/issues/9",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Attention looks at one token at a time, from early in training on.",
        area="Look at the size of the scores before they are normalised, for a narrow model and for a wide one.",
        mechanism="Should a wider model have larger scores, smaller ones, or the same? Work out which it has.",
    ),
    examples=(
        Example(
            HEAD + "    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (T, T)\n" + TAIL,
            HEAD + "    scores = q @ k.transpose(-2, -1) * math.sqrt(q.size(-1))  # (T, T)\n" + TAIL,
        ),
        Example(
            HEAD + "    scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))\n" + TAIL,
            HEAD + "    scores = (q @ k.transpose(-2, -1)) / (1.0 / math.sqrt(k.size(-1)))\n" + TAIL,
        ),
        Example(
            "class Attention:\n    def __init__(self, dim):\n        self.scale = dim**-0.5\n\n"
            "    def forward(self, q, k, v):\n        scores = q @ k.mT * self.scale\n"
            "        return scores.softmax(dim=-1) @ v\n",
            "class Attention:\n    def __init__(self, dim):\n        self.scale = dim**-0.5\n\n"
            "    def forward(self, q, k, v):\n        scores = q @ k.mT / self.scale\n"
            "        return scores.softmax(dim=-1) @ v\n",
        ),
        Example(
            HEAD + "    scores = q @ k.mT\n    scores /= math.sqrt(k.size(-1))\n" + TAIL,
            HEAD + "    scores = q @ k.mT\n    scores *= math.sqrt(k.size(-1))\n" + TAIL,
        ),
    ),
    look_alikes=(
        "def rms(x):\n    return x / math.sqrt(x.size(-1))\n",
        HEAD + "    scores = q @ k.transpose(-2, -1) / temperature\n" + TAIL,
        HEAD + "    scores = q @ k.transpose(-2, -1) * gain\n" + TAIL,
    ),
    edits=edits,
)
