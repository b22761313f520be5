"""Distances are negative, and all of them are clamped to zero.

## What it does
Subtracts the position that looks from the one that is looked at, where it should be the other way round.

## Why it is wrong
In a causal model every key that may be seen stands at or before its query. Negative distances that are clamped at zero
are all the same, and so every key gets the bias of the query's own position: the scheme says nothing of order.

## Symptom
The model trains, and never learns what depends on the order of far tokens; deeper models find some of it out by other
ways. The bias for distance zero is the only one that changes.

## How to find it
Print the distances for three tokens. Or exchange two earlier tokens in a model of one layer: the last logits have to
move.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.schemes import distances
from mutations.source import Source

ZERO = m.Arg(m.Integer("0"))
CLAMP = m.Attribute(attr=m.Name("clamp") | m.Name("clamp_min"))
CLAMPED = m.Call(func=CLAMP, args=[ZERO, m.ZeroOrMore()])


def edits(source: Source) -> Iterator[Edit]:
    """Distances that are clamped from below at zero, where they are made or by their name."""
    for found in distances(source):
        if _is_clamped(source, found.node):
            yield source.replace(found.node, f"{source.code(found.keys)} - {source.code(found.queries)}")


def _is_clamped(source: Source, distance: cst.BinaryOperation) -> bool:
    clamped = [
        cst.ensure_type(cst.ensure_type(call, cst.Call).func, cst.Attribute).value
        for call in source.find(CLAMPED, within=source.scope(distance))
    ]
    assigned = source.parent(distance)
    names = [target.target for target in assigned.targets] if isinstance(assigned, cst.Assign) else []
    return any(each is distance or any(each.deep_equals(name) for name in names) for each in clamped)


HEAD = "def bias(table, q, k):\n"
TAIL = "    return table[distance.clamp(min=0)]\n"

OPERATOR = Operator(
    id="distances-of-the-wrong-sign",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/nntrainer/nntrainer/pull/3982",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.SCHEMES}),
    hints=Hints(
        symptom="A scheme that lives in the scores is there, and yet the order of earlier tokens does not matter.",
        area="Print how far back each of three tokens is said to be.",
        mechanism="Of what looks and what is looked at, which comes first? What becomes of a number below zero?",
    ),
    examples=(
        Example(
            HEAD + "    distance = q[..., None] - torch.arange(k.size(2))  # (T_new, T)\n" + TAIL,
            HEAD + "    distance = torch.arange(k.size(2)) - q[..., None]  # (T_new, T)\n" + TAIL,
        ),
        Example(
            HEAD + "    at = torch.arange(9)\n    return table[(at[:, None] - at[None, :]).clamp(0, 8)]\n",
            HEAD + "    at = torch.arange(9)\n    return table[(at[None, :] - at[:, None]).clamp(0, 8)]\n",
        ),
    ),
    look_alikes=(
        HEAD + "    distance = q[..., None] - torch.arange(k.size(2))\n    return table[distance.abs()]\n",
        HEAD + "    distance = q[..., None] - k\n" + TAIL,
        HEAD + "    distance = torch.arange(9) - q[..., None]\n" + TAIL,
    ),
    edits=edits,
)
