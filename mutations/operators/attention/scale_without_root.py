"""The scores of attention are divided by the width of the queries instead of by its square root.

## What it does
Drops the root, and scales by what was under it.

## Why it is wrong
It is the standard deviation of the scores that grows with the width, as its root; dividing by more than that makes
the scores of a wide model nearly equal.

## Symptom
Attention starts, and stays for long, close to a plain mean over the past. The loss falls more slowly; the weights of
queries and keys grow to make up for it.

## How to find it
Recompute one layer by hand. For a width of one the two agree, for 4 they differ by a factor of 2, for 64 by 8.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import scales
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

COMPOUND = cst.BinaryOperation | cst.BooleanOperation | cst.IfExp


def edits(source: Source) -> Iterator[Edit]:
    """The root in the scale of attention, wherever it is taken: `math.sqrt(...)` or `... ** 0.5`."""
    for scale in scales(source):
        root = scale.root
        if not leaves_nothing_unread(source, root, kept=[scale.size]):
            continue
        if isinstance(root, cst.Call):
            size = source.code(scale.size)
            yield source.replace(root, f"({size})" if isinstance(scale.size, COMPOUND) else size)
        elif m.matches(root.right, m.UnaryOperation()):
            yield source.replace_within(root, root.right, "-1")
        elif not root.lpar:
            yield source.replace_span(source.span(root)[0], source.span(root)[1], _base(source, root))


def _base(source: Source, root: cst.BinaryOperation) -> str:
    """The text of what is raised to a power, with its parentheses."""
    start, end = source.span(root)
    operator = source.code_between(start, end).rindex("**")
    return source.code_between(start, end)[:operator].rstrip()


HEAD = "def attend(q, k, v, mask):\n"
TAIL = "    return scores.masked_fill(mask, -1e9).softmax(dim=-1) @ v\n"

OPERATOR = Operator(
    id="scale-without-root",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/delzac/cntkx/issues/10",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Attention stays close to a plain mean over the past for longer than it should.",
        area="Compare one layer of attention with the formula, for a width of 4 and for one of 64.",
        mechanism="By which factor are the scores off, and how does that factor grow with the width?",
    ),
    examples=(
        Example(
            HEAD + "    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (T, T)\n" + TAIL,
            HEAD + "    scores = q @ k.transpose(-2, -1) / q.size(-1)  # (T, T)\n" + TAIL,
        ),
        Example(
            HEAD + "    scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(C // H))\n" + TAIL,
            HEAD + "    scores = (q @ k.transpose(-2, -1)) * (1.0 / (C // H))\n" + TAIL,
        ),
        Example(
            HEAD + "    d = q.size(-1)\n    scores = q @ k.mT / d**0.5\n" + TAIL,
            HEAD + "    d = q.size(-1)\n    scores = q @ k.mT / d\n" + TAIL,
        ),
        Example(
            "class Attention:\n    def __init__(self, dim):\n        self.scale = dim ** -0.5\n\n"
            "    def forward(self, q, k, v):\n        return (q @ k.mT * self.scale).softmax(dim=-1) @ v\n",
            "class Attention:\n    def __init__(self, dim):\n        self.scale = dim ** -1\n\n"
            "    def forward(self, q, k, v):\n        return (q @ k.mT * self.scale).softmax(dim=-1) @ v\n",
        ),
        Example(
            HEAD + "    scores = (q @ k.mT) * (1.0 / math.sqrt(c.scale or c.width))\n" + TAIL,
            HEAD + "    scores = (q @ k.mT) * (1.0 / (c.scale or c.width))\n" + TAIL,
        ),
    ),
    look_alikes=(
        "import math\n\n\n" + HEAD + "    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))\n" + TAIL,
        "def rms(x):\n    return x / math.sqrt(x.size(-1))\n",
        HEAD + "    scores = q @ k.transpose(-2, -1) / q.size(-1)\n" + TAIL,
    ),
    edits=edits,
)
