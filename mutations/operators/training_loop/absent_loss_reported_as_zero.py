"""A loss that there is none of is reported as zero.

## What it does
Turns the `None` that stands for a loss that was not computed into a number.

## Why it is wrong
Zero is what a perfect model has. The record does not tell an objective that is met from one that was never there,
and a mean over runs takes the zeros for measurements.

## Symptom
Training is as it was. A curve appears that lies at zero from the first step on.

## How to find it
Train without the second objective, and look at what the record says of it.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import trains
from mutations.source import Source

IS_NONE = m.Comparison(comparisons=[m.ComparisonTarget(m.Is(), m.Name("None"))])
ABSENT = m.IfExp(body=m.Name("None"), test=IS_NONE)


def edits(source: Source) -> Iterator[Edit]:
    """`None if loss is None else ...` in what an update reports."""
    for node in source.find(m.DictElement(value=ABSENT)):
        if trains(source, source.scope(node)):
            choice = cst.ensure_type(cst.ensure_type(node, cst.DictElement).value, cst.IfExp)
            yield source.replace_within(choice, choice.body, "0.0")


UPDATE = "def update(loss, extra):\n    loss.backward()\n    opt.step()\n"

OPERATOR = Operator(
    id="absent-loss-reported-as-zero",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/MakazhanAlpamys/Soup/issues/960",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The record shows a perfect score for something that was never tried.",
        area="Train for one objective alone, and read all that an update reports.",
        mechanism="Is there a difference between what is absent and what is perfect? The record has to show it.",
    ),
    examples=(
        Example(
            UPDATE + '    return {"loss": loss.item(), "extra": None if extra is None else extra.item()}\n',
            UPDATE + '    return {"loss": loss.item(), "extra": 0.0 if extra is None else extra.item()}\n',
        ),
        Example(
            UPDATE + "    log({\n        'aux': None if aux is None else float(aux),  # where there is one\n    })\n",
            UPDATE + "    log({\n        'aux': 0.0 if aux is None else float(aux),  # where there is one\n    })\n",
        ),
    ),
    look_alikes=(
        UPDATE + '    return {"loss": loss.item(), "extra": extra}\n',
        'def report(extra):\n    return {"extra": None if extra is None else extra.item()}\n',
        UPDATE + "    rest = None if extra is None else extra.item()\n    return rest\n",
    ),
    edits=edits,
)
