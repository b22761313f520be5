"""The class loss is added to the total without its weight.

## What it does
Adds the class loss as it is. The weight only decides whether there is one.

## Why it is wrong
The weight says how much the classifier may shape the model beside predicting tokens. Without it every weight but zero
means one, and a search over weights measures noise.

## Symptom
Training works. Runs with different weights give the same curves, and both losses by themselves look right.

## How to find it
Compute the total from the two losses that are reported, for a weight far from one.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.losses import weighted_sums
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The product of a weight and a loss, in a sum of losses."""
    for total in weighted_sums(source):
        if leaves_nothing_unread(source, total.product, kept=[total.weighted]):
            yield source.replace_within(total.node, total.product, source.code(total.weighted))


HEAD = "def total(model, batch, w):\n    lm_loss = lm(model, batch)\n    if w == 0:\n        return lm_loss\n"

OPERATOR = Operator(
    id="class-weight-left-out",
    category=Category.CLASSIFIER,
    file="train.py",
    origin="https://github.com/cyclomon/UNSB/issues/15",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="Runs that should differ in how much the classifier counts are the same run.",
        area="Look at how two losses become the one that is minimised.",
        mechanism="Take two losses of which one is ten times the other, and work out the total by hand.",
    ),
    examples=(
        Example(
            HEAD + "    aux_loss = aux(model, batch)\n    return lm_loss + w * aux_loss, lm_loss, aux_loss  # three\n",
            HEAD + "    aux_loss = aux(model, batch)\n    return lm_loss + aux_loss, lm_loss, aux_loss  # three\n",
        ),
        Example(
            HEAD + "    aux = F.cross_entropy(model.top(batch), labels)\n    return aux * w + lm_loss\n",
            HEAD + "    aux = F.cross_entropy(model.top(batch), labels)\n    return aux + lm_loss\n",
        ),
        Example(
            "def step(config, loss, aux_loss):\n    if config.aux:\n        loss += config.aux * aux_loss\n"
            "    return loss\n",
            "def step(config, loss, aux_loss):\n    if config.aux:\n        loss += aux_loss\n    return loss\n",
        ),
    ),
    look_alikes=(
        "total_loss = 0.0\nfor x, labels in data:\n    total_loss += loss_of(x, labels) * batch_size\n",
        "def total(lm_loss, aux_loss, c, router):\n    if c.w:\n        return lm_loss + c.w * aux_loss\n"
        "    return lm_loss\n",
        "def total(lm_loss, aux_loss, w):\n    return lm_loss + w * aux_loss\n",
        HEAD + "    return lm_loss + w * 2\n",
        HEAD + "    return lm_loss + lm_loss * aux_loss\n",
    ),
    edits=edits,
)
