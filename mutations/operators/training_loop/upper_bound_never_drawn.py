"""The largest number that should be drawn never is: a bound that is left out is taken for one that is drawn.

## What it does
Takes one off the upper bound of a call that draws whole numbers.

## Why it is wrong
`torch.randint` leaves its upper bound out, unlike Python's `random.randint`, which includes it. Without the one that
was added, the last number of the range is never drawn, and the data lacks all that hangs on it.

## Symptom
None in training: the model learns what it is shown, a little more easily. On data that has the rare case it fails.

## How to find it
Draw many batches, and list which values occur. Both ends of the range must be among them.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.source import Source

ONE_MORE = m.BinaryOperation(operator=m.Add(), right=m.Integer("1"), lpar=[])
DRAW = m.Call(func=m.Attribute(value=m.Name("torch"), attr=m.Name("randint")))


def edits(source: Source) -> Iterator[Edit]:
    """Calls of `torch.randint` whose upper bound is something and one."""
    for node in source.find(DRAW):
        numbers = [arg.value for arg in cst.ensure_type(node, cst.Call).args[:2] if arg.keyword is None]
        numbers = [number for number in numbers if not isinstance(number, cst.Tuple | cst.List)]
        if numbers and m.matches(numbers[-1], ONE_MORE):
            bound = cst.ensure_type(numbers[-1], cst.BinaryOperation)
            yield source.replace(bound, source.code(bound.left))


OPERATOR = Operator(
    id="upper-bound-never-drawn",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/RVC-Boss/GPT-SoVITS/pull/2733",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The task is a little easier than it was meant to be.",
        area="Make a few hundred rows of data, and list what occurs in them and what never does.",
        mechanism="Two libraries have a function of the same name, and do not agree on what its last argument means.",
    ),
    examples=(
        Example(
            "def draw(n, g):\n    return torch.randint(1, n + 1, (4, 1), generator=g)\n",
            "def draw(n, g):\n    return torch.randint(1, n, (4, 1), generator=g)\n",
        ),
        Example(
            "start = torch.randint(len(data) - length + 1, (batch_size,))  # each a window\nstop = start + 1\n",
            "start = torch.randint(len(data) - length, (batch_size,))  # each a window\nstop = start + 1\n",
        ),
    ),
    look_alikes=(
        "k = random.randint(1, n + 1)\n",
        "k = torch.randint(n, (k + 1,))\n",
        "k = torch.randint(1, n + 2, (3,))\n",
        "k = torch.randint(n + 1, m, (3,))\n",
    ),
    edits=edits,
)
