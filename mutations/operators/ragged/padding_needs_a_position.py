"""Padding is given positions like any token, also where there are none left.

## What it does
Drops the bound on the positions that are looked up, which keeps those of padding within the table.

## Why it is wrong
A chunk is as wide as its longest row. In a row that is nearly full, what pads it stands beyond the last position there
is, and looking that up fails, though not one token is too many.

## Symptom
None until a long conversation meets a long prompt in one batch. Then an index is out of range, for a batch of which
every row fits.

## How to find it
Fill a row up to the last position with a chunk that is wider than what is left of it.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.ragged import Rows, rows
from mutations.source import Source

LAST = m.BinaryOperation(operator=m.Subtract(), right=m.Integer("1"))
BOUND = [m.Arg(LAST, keyword=m.Name("max"))]


def edits(source: Source) -> Iterator[Edit]:
    """Where positions that are counted row by row are kept below a limit: `clamp(max=limit - 1)`."""
    for found in rows(source):
        for node in source.find(m.Call(func=m.Attribute(attr=m.Name("clamp")), args=BOUND), within=found.scope):
            call, assignment = cst.ensure_type(node, cst.Call), source.parent(node)
            if not isinstance(assignment, cst.Assign):
                continue
            bounded = cst.ensure_type(call.func, cst.Attribute).value
            if bounded is found.positions:
                yield source.replace(call, source.code(bounded))
            elif _holds_positions(source, found, bounded) and bounded.deep_equals(assignment.targets[0].target):
                yield source.remove(source.parent(assignment))


def _holds_positions(source: Source, found: Rows, name: cst.BaseExpression) -> bool:
    assignment = source.parent(found.positions)
    return isinstance(assignment, cst.Assign) and name.deep_equals(assignment.targets[0].target)


READ = """\
def read(self, tokens, seen, fresh):
    total = seen + fresh
    check(total)
"""

OPERATOR = Operator(
    id="padding-needs-a-position",
    category=Category.RAGGED,
    file="model.py",
    origin="https://github.com/huggingface/tei-gaudi/pull/14",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.RAGGED}),
    hints=Hints(
        symptom="A batch breaks although each of its rows would be read alone without complaint.",
        area="Fill one row to its very end while another has many tokens to read.",
        mechanism="Something is done for what stands in every column of a chunk, be it a token or not.",
    ),
    examples=(
        Example(
            READ + "    place = seen[:, None] + torch.arange(tokens.size(1))\n"
            "    place = place.clamp(max=self.limit - 1)  # padding: anything\n    return self.pos(place)\n",
            READ + "    place = seen[:, None] + torch.arange(tokens.size(1))\n    return self.pos(place)\n",
        ),
        Example(
            READ + "    place = (seen[:, None] + torch.arange(tokens.size(1))).clamp(max=self.limit - 1)\n"
            "    return self.pos(place)\n",
            READ + "    place = seen[:, None] + torch.arange(tokens.size(1))\n    return self.pos(place)\n",
        ),
    ),
    look_alikes=(
        READ + "    place = seen[:, None] + torch.arange(tokens.size(1))\n    place = place.clamp(min=0)\n"
        "    return self.pos(place)\n",
        READ + "    place = seen[:, None] + torch.arange(tokens.size(1))\n    other = total.clamp(max=self.limit - 1)\n"
        "    return self.pos(place), other\n",
        "def far(distance, limit):\n    distance = distance.clamp(max=limit - 1)\n    return distance\n",
    ),
    edits=edits,
)
