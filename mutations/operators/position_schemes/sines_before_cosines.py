"""All sines of the position table come first, and all cosines after them.

## What it does
Puts sines into the first half of the channels and cosines into the second, instead of in turn.

## Why it is wrong
The published table has the sine of an angle in an even channel and its cosine in the next. The channels are only in
another order, but the embedding that is added to them is not: the sum is another for every channel but the first and
the last.

## Symptom
None in training from scratch, since the maps that follow learn any order. Weights that were trained with the published
table give nonsense.

## How to find it
Print the first row of the table: position zero is zero, one, zero, one, and so on.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.calls import argument
from mutations.roles.reads import leaves_nothing_unread
from mutations.roles.schemes import wave
from mutations.source import Source

JOINED = m.Call(func=m.Attribute(attr=m.Name("flatten") | m.Name("reshape") | m.Name("view")))
LAST = m.UnaryOperation(m.Minus(), m.Integer("1"))


def edits(source: Source) -> Iterator[Edit]:
    """Sines and cosines of one angle that are stacked on a last axis, which is then joined with the one before."""
    for node in source.find(JOINED):
        joined = cst.ensure_type(node, cst.Call)
        stacked = cst.ensure_type(joined.func, cst.Attribute).value
        if not m.matches(stacked, m.Call(func=m.Attribute(value=m.Name("torch"), attr=m.Name("stack")))):
            continue
        stack = cst.ensure_type(stacked, cst.Call)
        dim = argument(stack, 1, "dim")
        if dim is None or not m.matches(dim.value, LAST) or not _is_wave(source, stack.args[0].value):
            continue
        if leaves_nothing_unread(source, joined, kept=[stack]):
            arguments = ", ".join(source.code(arg) for arg in stack.args)
            yield source.replace(joined, f"torch.cat({arguments})")


def _is_wave(source: Source, pair: cst.BaseExpression) -> bool:
    if not isinstance(pair, cst.Tuple | cst.List) or len(pair.elements) != 2:
        return False
    first, second = (element.value for element in pair.elements)
    sine, cosine = wave(source, first, "sin"), wave(source, second, "cos")
    return sine is not None and cosine is not None and sine.deep_equals(cosine)


OPERATOR = Operator(
    id="sines-before-cosines",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/allenai/allennlp/issues/2993",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.SCHEMES}),
    hints=Hints(
        symptom="A model with a fixed table of positions trains well, and makes nothing of weights from elsewhere.",
        area="Print the row of the table that the very first token gets.",
        mechanism="A pair of channels belongs to one angle. Which two channels are a pair?",
    ),
    examples=(
        Example(
            "table = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :C]  # (T, C)\n",
            "table = torch.cat((angle.sin(), angle.cos()), dim=-1)[:, :C]  # (T, C)\n",
        ),
        Example(
            "def table(T, C, angle):\n    check(T, C)\n"
            "    return torch.stack([torch.sin(angle), torch.cos(angle)], dim=-1).view(T, C)\n",
            "def table(T, C, angle):\n    check(T, C)\n"
            "    return torch.cat([torch.sin(angle), torch.cos(angle)], dim=-1)\n",
        ),
    ),
    look_alikes=(
        "turned = torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)\n",
        "both = torch.stack((angle.sin(), angle.cos()), dim=0).flatten(1)\n",
        "table = torch.cat((angle.sin(), angle.cos()), dim=-1)\n",
    ),
    edits=edits,
)
