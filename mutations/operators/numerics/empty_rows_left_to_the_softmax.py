"""A row that may look at nothing is left to the softmax.

## What it does
Takes out what keeps such a row from a softmax over nothing: the one position that is left open for it, or what makes
zeros of the result.

## Why it is wrong
A row of nothing but padding has every score at minus infinity. The softmax divides zero by zero, and its NaN does not
stay in the row: weighted with zero it is NaN still, so it spreads to whatever reads that row's keys and values, and
through the gradient to every parameter.

## Symptom
None as long as each row of a batch holds a token. With one that is all padding, its logits are NaN, and so are all
gradients, even if the loss leaves the row out.

## How to find it
Give a batch one row of length zero and take the gradient of the others' logits alone. It should be that of the batch
without the row.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.attention import attends
from mutations.source import Source

OPENED = m.SimpleStatementLine(
    body=[m.Assign(targets=[m.AssignTarget(m.Subscript(value=m.Name()))], value=m.Name("False"))]
)
CLEARED = m.Call(func=m.Attribute(attr=m.Name("nan_to_num")))


def edits(source: Source) -> Iterator[Edit]:
    """Lines that allow some places of a mask made by comparing, and calls in attention that make zeros of NaN."""
    for node in source.find(OPENED):
        line = cst.ensure_type(node, cst.SimpleStatementLine)
        target = cst.ensure_type(line.body[0], cst.Assign).targets[0].target
        if _is_compared(source, cst.ensure_type(target, cst.Subscript).value) and len(source.siblings(line)) > 1:
            yield source.remove(line)
    for node in source.find(CLEARED):
        call = cst.ensure_type(node, cst.Call)
        func = cst.ensure_type(call.func, cst.Attribute)
        cleared = call.args[0].value if m.matches(func.value, m.Name("torch")) and call.args else func.value
        if attends(source, call):
            yield source.replace(call, source.code(cleared))


def _is_compared(source: Source, mask: cst.BaseExpression) -> bool:
    """Whether a name holds the result of comparisons, in the function where it is used."""
    assigned = m.Assign(targets=[m.AssignTarget(m.Name(source.code(mask)))])
    found = [cst.ensure_type(node, cst.Assign) for node in source.find(assigned, within=source.scope(mask))]
    return any(source.find(m.Comparison(), within=assignment.value) for assignment in found)


MASK = "def rows(place, lengths):\n    hidden = place >= lengths[:, None, None]  # (B, T, T)\n"
SCORES = "def attend(q, k, v, hidden):\n    scores = q @ k.transpose(-2, -1)\n"

OPERATOR = Operator(
    id="empty-rows-left-to-the-softmax",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/pytorch/pytorch/issues/41508",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="A batch in which one text has not begun yet gives NaN, and after one update every parameter is NaN.",
        area="Look at attention in batches whose texts differ in length, down to a length of nothing.",
        mechanism="Weights are shares of a whole. Ask what the shares are where there is nothing to be shared.",
    ),
    examples=(
        Example(
            MASK + "    hidden[:, :, 0] = False  # so that there is something to look at\n    return hidden\n",
            MASK + "    return hidden\n",
        ),
        Example(
            SCORES + "    weights = torch.nan_to_num(scores.masked_fill(hidden, -torch.inf).softmax(dim=-1))\n"
            "    return weights @ v\n",
            SCORES + "    weights = scores.masked_fill(hidden, -torch.inf).softmax(dim=-1)\n    return weights @ v\n",
        ),
        Example(
            SCORES + "    weights = scores.softmax(dim=-1).nan_to_num(0.0)\n    return weights @ v\n",
            SCORES + "    weights = scores.softmax(dim=-1)\n    return weights @ v\n",
        ),
    ),
    look_alikes=(
        "def clear(seen):\n    seen[0] = False\n    return seen\n",
        "def clean(grades):\n    return grades.nan_to_num(0.0)\n",
        MASK + "    hidden[:, :, 0] = True\n    return hidden\n",
    ),
    edits=edits,
)
