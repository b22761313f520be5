"""The weight of the class loss is applied to the language model's loss.

## What it does
Multiplies the first term of the total by the weight instead of the second.

## Why it is wrong
A small weight is meant to keep the classifier in the background. Here it does so with the language model, and the
classifier gets full force.

## Symptom
Both losses fall, the language model's the more slowly the smaller the weight is. At a weight of one nothing shows.

## How to find it
Compute the total from the two losses that are reported, for a weight far from one. Or raise the weight: which of the
two falls faster than before?
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.losses import weighted_sums
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Sums of a loss and a weighted loss, in either order."""
    for total in weighted_sums(source):
        if isinstance(total.node, cst.BinaryOperation) and isinstance(total.plain, cst.Name | cst.Call):
            moved = f"{source.code(total.weight)} * {source.code(total.plain)}"
            terms = [moved, source.code(total.weighted)]
            if total.node.left is total.product:
                terms.reverse()
            yield source.replace(total.node, " + ".join(terms))


OPERATOR = Operator(
    id="class-weight-on-the-wrong-loss",
    category=Category.CLASSIFIER,
    file="train.py",
    origin="https://github.com/TMElyralab/MuseTalk/issues/80",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="The less the classifier is supposed to count, the worse the language model gets.",
        area="Look at how two losses become the one that is minimised.",
        mechanism="A small factor should make something matter less. What does it make matter less here?",
    ),
    examples=(
        Example(
            "def total(lm_loss, aux_loss, w):\n    return lm_loss + w * aux_loss, lm_loss  # both\n",
            "def total(lm_loss, aux_loss, w):\n    return w * lm_loss + aux_loss, lm_loss  # both\n",
        ),
        Example(
            "aux = F.cross_entropy(scores, labels)\nloss = config.w * aux + lm_loss(logits, y)\n",
            "aux = F.cross_entropy(scores, labels)\nloss = aux + config.w * lm_loss(logits, y)\n",
        ),
        Example(
            "total = token_loss + aux_loss * config.aux\n",
            "total = config.aux * token_loss + aux_loss\n",
        ),
    ),
    look_alikes=(
        "loss = loss + exit_loss * self.exit_loss_weight\n",
        "loss = lm_loss + c.router_coef * aux_loss\n",
        "loss = lm_loss + aux_loss\n",
        "loss = lm_loss + 0.5 * penalty\n",
        "rate = base + w * step\n",
    ),
    edits=edits,
)
