"""ALiBi's slopes follow one formula for every number of heads.

## What it does
Takes the number of heads itself where the largest power of two below it is meant, so that no head is left over.

## Why it is wrong
The published slopes of six heads are those of four, and two of those of eight. A geometric row of six other numbers is
as good to train with, and no checkpoint has it.

## Symptom
None for 1, 2, 4 or 8 heads, which is what tests are mostly run on. With twelve heads, weights from elsewhere do not
fit.

## How to find it
Print the slopes of six heads, and compare the first four with the slopes of four.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

BITS = m.BinaryOperation(
    left=m.Call(func=m.Attribute(attr=m.Name("bit_length")), args=[]), operator=m.Subtract(), right=m.Integer("1")
)
LOGARITHM = m.Call(func=m.Attribute(attr=m.Name("log2")) | m.Name("log2"), args=[m.Arg()])
FLOOR = m.Call(func=m.Attribute(attr=m.Name("floor")) | m.Name("floor") | m.Name("int"), args=[m.Arg(LOGARITHM)])
BELOW = m.BinaryOperation(left=m.Integer("2"), operator=m.Power(), right=BITS | FLOOR)


def edits(source: Source) -> Iterator[Edit]:
    """The largest power of two that is no larger than a number, in functions that make slopes."""
    for node in source.find(BELOW):
        power = cst.ensure_type(node, cst.BinaryOperation)
        number = _number(power.right)
        around = source.scope(node)
        makes_slopes = isinstance(around, cst.FunctionDef) and "slope" in source.code(around).lower()
        if makes_slopes and leaves_nothing_unread(source, power, kept=[number]):
            yield source.replace(power, source.code(number))


def _number(exponent: cst.BaseExpression) -> cst.BaseExpression:
    """What the power is below of."""
    if isinstance(exponent, cst.BinaryOperation):
        return cst.ensure_type(cst.ensure_type(exponent.left, cst.Call).func, cst.Attribute).value
    return cst.ensure_type(cst.ensure_type(exponent, cst.Call).args[0].value, cst.Call).args[0].value


REST = "    slopes = power_of_two(below)\n    return slopes + between(below, n - below)\n"

OPERATOR = Operator(
    id="slopes-by-one-formula",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/ml-explore/mlx/pull/3071",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.SCHEMES, Part.HEADS}),
    hints=Hints(
        symptom="With a linear bias, checkpoints of eight heads load and work; those of twelve do not.",
        area="Print the slopes for four heads and for six, side by side.",
        mechanism="What is published has two cases. Which numbers of heads make no difference between them?",
    ),
    examples=(
        Example(
            "def alibi_slopes(n):\n    below = 2 ** (n.bit_length() - 1)\n" + REST,
            "def alibi_slopes(n):\n    below = n\n" + REST,
        ),
        Example(
            "import math\n\nHALF = math.sqrt(0.5)\n\n\ndef slopes_of(n):\n    below = 2 ** math.floor(math.log2(n))\n"
            + REST,
            "import math\n\nHALF = math.sqrt(0.5)\n\n\ndef slopes_of(n):\n    below = n\n" + REST,
        ),
    ),
    look_alikes=(
        "def padded(n):\n    return 2 ** (n.bit_length() - 1)\n",
        "def alibi_slopes(n):\n    return [2 ** (-8 * (h + 1) / n) for h in range(n)]\n",
        "import math\n\n\ndef slopes_of(n):\n    below = 2 ** math.floor(math.log2(n))\n" + REST,
    ),
    edits=edits,
)
