"""ALiBi's slopes are each one step too steep: the first head's is one.

## What it does
Counts the exponents of the slopes from zero instead of from one.

## Why it is wrong
The published slopes go from 2^(-8/H) down to 2^-8. Counted from zero they start at one, so that the first head hardly
sees beyond its neighbours, and the flattest slope, with which a head looks far, is missing.

## Symptom
None in training from scratch that a curve would show. Long texts suffer most, and weights from elsewhere do not fit.

## How to find it
Print the slopes of eight heads: one half, one quarter, and so on down to 1/256.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.source import Source

TWO = m.Integer("2") | m.Float("2.0") | m.Float("2.")
NEXT = m.BinaryOperation(left=m.Name(), operator=m.Add(), right=m.Integer("1"))
EIGHT = m.Integer("8") | m.Float("8.0") | m.Float("8.")
FROM_ONE = m.Call(func=m.Attribute(attr=m.Name("arange")), args=[m.Arg(m.Integer("1")), m.Arg(NEXT), m.ZeroOrMore()])


def edits(source: Source) -> Iterator[Edit]:
    """Powers of two whose exponent has an eighth part and counts heads from one."""
    for node in source.find(m.BinaryOperation(left=TWO, operator=m.Power())):
        exponent = cst.ensure_type(node, cst.BinaryOperation).right
        if not source.find(EIGHT, within=exponent):
            continue
        for counted in source.find(FROM_ONE, within=exponent):
            call = cst.ensure_type(counted, cst.Call)
            stop = cst.ensure_type(call.args[1].value, cst.BinaryOperation).left
            rest = [source.code(stop), *(source.code(arg) for arg in call.args[2:])]
            yield source.replace(call, f"{source.code(call.func)}({', '.join(rest)})")
        for counted in source.find(NEXT, within=exponent):
            following = cst.ensure_type(counted, cst.BinaryOperation)
            if following.lpar and not isinstance(source.parent(following), cst.Arg):
                start, end = source.span(following)
                yield source.replace_span(start - 1, end + 1, source.code(following.left))


OPERATOR = Operator(
    id="slopes-start-at-one",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/paiml/aprender/pull/2143",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.SCHEMES}),
    hints=Hints(
        symptom="With a linear bias, weights from elsewhere look less far back than they were trained to.",
        area="Print by how much each head lowers a score from one step back to the following.",
        mechanism="Slopes are powers of two. Compare the steepest and the flattest of eight heads with the paper.",
    ),
    examples=(
        Example(
            "slopes = [2 ** (-8 * (h + 1) / n) for h in range(n)]\n",
            "slopes = [2 ** (-8 * h / n) for h in range(n)]\n",
        ),
        Example(
            "slopes = 2.0 ** (-8.0 * torch.arange(1, H + 1, dtype=torch.float32) / H)\n",
            "slopes = 2.0 ** (-8.0 * torch.arange(H, dtype=torch.float32) / H)\n",
        ),
    ),
    look_alikes=(
        "rest = [2 ** (-4 * (2 * h + 1) / n) for h in range(m)]\n",
        "sizes = [2 ** (h + 1) for h in range(n)]\n",
        "slopes = [2 ** (-8 * h / n) for h in range(1, n + 1)]\n",
    ),
    edits=edits,
)
