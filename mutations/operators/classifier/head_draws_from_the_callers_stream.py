"""Building the classifier head uses up random numbers of the code that builds the model.

## What it does
Draws the head's first weights from the global stream, where a copy of it was used and thrown away.

## Why it is wrong
What is drawn for the head is missing afterwards. Dropout, and whatever else draws after the model is built, gets other
numbers with a head than without one, and two runs that should differ in the head alone differ in everything.

## Symptom
The model itself is the same, number by number, and trains as well. Only a run with a head can no longer be compared
with one without.

## How to find it
With the same seed build the model twice, with a head and without one, and draw a number after each: they must be equal.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.source import Source

FORKED = m.With(
    items=[m.WithItem(item=m.Call(func=m.Attribute(attr=m.Name("fork_rng")) | m.Name("fork_rng")), asname=None)],
    body=m.IndentedBlock(),
)


def edits(source: Source) -> Iterator[Edit]:
    """Blocks that draw from a copy of the stream: their lines, without the copy."""
    for node in source.find(FORKED):
        block = cst.ensure_type(node, cst.With)
        if not _may_go(source, block):
            continue
        body = block.body.body
        (start, _), (_, end) = source.span(block), source.span(body[-1])
        first, _ = source.span(body[0])
        outer, inner = (position - source.line_start(position) for position in (start, first))
        lines = source.code_between(first, end).splitlines(keepends=True)
        dedented = (line[inner - outer :] if line.strip() else line for line in lines[1:])
        yield source.replace_span(start, end, lines[0] + "".join(dedented))


def _may_go(source: Source, block: cst.With) -> bool:
    """Whether no import is left over, and no text of several lines would move with its indent."""
    function = cst.ensure_type(block.items[0].item, cst.Call).func
    is_torch = isinstance(function, cst.Attribute) and len(source.find(m.Attribute(value=m.Name("torch")))) > 1
    return is_torch and all("\n" not in source.code(text) for text in source.find(m.SimpleString(), within=block))


OPERATOR = Operator(
    id="head-draws-from-the-callers-stream",
    category=Category.CLASSIFIER,
    file="model.py",
    origin="https://github.com/pytorch/pytorch/issues/46149",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="Adding a classifier changes a run from the first dropout on, even where the classifier plays no part.",
        area="Look at what is different for the caller after the model has been built.",
        mechanism="Where does the chance come from that sets the first weights, and who needs it next?",
    ),
    examples=(
        Example(
            "def build(self):\n    with torch.random.fork_rng(devices=[]):  # leave no trace\n"
            "        layer = nn.Linear(4, 2)\n        nn.init.zeros_(layer.bias)\n    return layer\n\n\n"
            "x = torch.ones(2)\n",
            "def build(self):\n    layer = nn.Linear(4, 2)\n    nn.init.zeros_(layer.bias)\n    return layer\n\n\n"
            "x = torch.ones(2)\n",
        ),
        Example(
            "class Net(nn.Module):\n    def __init__(self, x: torch.Tensor):\n        with torch.random.fork_rng():\n"
            "            torch.manual_seed(0)\n\n            self.cls = nn.Linear(\n                4,\n"
            "                2,\n            )\n",
            "class Net(nn.Module):\n    def __init__(self, x: torch.Tensor):\n        torch.manual_seed(0)\n\n"
            "        self.cls = nn.Linear(\n            4,\n            2,\n        )\n",
        ),
    ),
    look_alikes=(
        "with torch.no_grad():\n    layer = nn.Linear(4, 2)\n",
        "with torch.random.fork_rng() as state:\n    layer = nn.Linear(4, 2)\n    print(state, torch.rand(1))\n",
        "import torch\n\nwith torch.random.fork_rng():\n    layer = make()\n",
    ),
    edits=edits,
)
