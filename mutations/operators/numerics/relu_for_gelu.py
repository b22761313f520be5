"""The activation of the MLP is a ReLU instead of a GELU.

## What it does
Calls the other activation that every network knows.

## Why it is wrong
Both let large positive numbers through and stop large negative ones, and they part in between. Near zero, where a
freshly made model works, a GELU halves what it gets and keeps a gradient; a ReLU cuts at zero.

## Symptom
It trains, and about as well. Trained weights from elsewhere give other logits, and the difference grows with depth.

## How to find it
Feed the MLP vectors that give its first map negative results. Half of the inner numbers are exactly zero, which a
GELU never makes.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.source import Source

GELU = m.Call(func=m.Attribute(value=~m.Name("self"), attr=m.Name("gelu") | m.Name("GELU")))
RELU = {"gelu": "relu", "GELU": "ReLU"}


def edits(source: Source) -> Iterator[Edit]:
    """Calls of torch's GELU that are not kept under its name: with one they would tell on themselves."""
    for node in source.find(GELU):
        call = cst.ensure_type(node, cst.Call)
        function = cst.ensure_type(call.func, cst.Attribute)
        line: cst.CSTNode = call
        while not isinstance(line, cst.SimpleStatementLine | cst.Module):
            line = source.parent(line)
        if source.code(line).lower().count("gelu") == 1:
            arguments = source.code(call.args[0]) if function.attr.value == "gelu" else ""
            yield source.replace(call, f"{source.code(function.value)}.{RELU[function.attr.value]}({arguments})")


OPERATOR = Operator(
    id="relu-for-gelu",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/timeseriesAI/tsai/issues/361",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="It trains as well as ever, but trained weights from elsewhere give other logits.",
        area="Look at the numbers inside the MLP, between its two maps.",
        mechanism="How many of those numbers are exactly zero, and how many should be?",
    ),
    examples=(
        Example("x = F.gelu(self.fc(x))  # (B, T, 4C)\n", "x = F.relu(self.fc(x))  # (B, T, 4C)\n"),
        Example("self.act = nn.GELU()\n", "self.act = nn.ReLU()\n"),
        Example("self.act = nn.GELU(approximate='tanh')\n", "self.act = nn.ReLU()\n"),
        Example(
            'return self.down(torch.nn.functional.gelu(h, approximate="tanh"))\n',
            "return self.down(torch.nn.functional.relu(h))\n",
        ),
    ),
    look_alikes=(
        "self.gelu = nn.GELU()\n",
        "x = self.down(self.gelu(self.up(x)))\n",
        "x = F.silu(self.up(x))\n",
    ),
    edits=edits,
)
