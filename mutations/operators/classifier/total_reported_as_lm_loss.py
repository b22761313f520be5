"""The total loss is reported as the language model's.

## What it does
Puts the total where the record names one of the losses that it is made of.

## Why it is wrong
The parts are reported so that it shows how each objective fares. With the total in the place of one, the two can no
longer be separated, and a classifier that gets worse looks like a language model that does.

## Symptom
Training is as it was. Two curves lie on each other, and where the second objective counts for something that is not a
coincidence.

## How to find it
Train one step with both objectives, and add the parts up by hand.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.loop import owner, updates
from mutations.source import Source

VALUE = m.Call(func=m.Attribute(value=m.Name(), attr=m.Name("item")), args=[])


def edits(source: Source) -> Iterator[Edit]:
    """Records of an update that hold the loss it began with, and another one beside it."""
    for update in updates(source):
        loss = owner(update.backward)
        for node in source.find(m.Dict(), within=source.scope(update.backward)):
            values = [element.value for element in cst.ensure_type(node, cst.Dict).elements]
            losses = [_loss_of(value) for value in values if m.matches(value, VALUE)]
            others = [each for each in losses if not each.deep_equals(loss)]
            if isinstance(loss, cst.Name) and len(others) < len(losses) and others:
                yield source.replace(others[0], loss.value)


def _loss_of(value: cst.BaseExpression) -> cst.BaseExpression:
    return cst.ensure_type(cst.ensure_type(value, cst.Call).func, cst.Attribute).value


UPDATE = "def update(total, parts):\n    total.backward()\n    opt.step()\n    lm, aux = parts\n"

OPERATOR = Operator(
    id="total-reported-as-lm-loss",
    category=Category.CLASSIFIER,
    file="train.py",
    origin="https://github.com/atcbosselut/comet-commonsense/issues/21",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="Two curves that should differ lie on each other.",
        area="Make one update for both objectives, and do the sums by hand.",
        mechanism="Several numbers look alike while there is one objective. Read which of them goes where.",
    ),
    examples=(
        Example(
            UPDATE + '    return {"loss": total.item(), "part": lm.item()}\n',
            UPDATE + '    return {"loss": total.item(), "part": total.item()}\n',
        ),
        Example(
            UPDATE + "    log({'all': total.item(), 'part': aux.item(), 'rate': 1.0})  # each step\n",
            UPDATE + "    log({'all': total.item(), 'part': total.item(), 'rate': 1.0})  # each step\n",
        ),
    ),
    look_alikes=(
        UPDATE + '    return {"loss": total.item()}\n',
        UPDATE + '    return {"part": lm.item(), "other": aux.item()}\n',
        'def evaluate(total, lm):\n    return {"loss": total.item(), "part": lm.item()}\n',
    ),
    edits=edits,
)
