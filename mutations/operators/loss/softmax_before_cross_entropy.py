"""The logits go through a softmax before the cross-entropy, which takes one itself.

## What it does
Turns the scores into probabilities first, and hands those to a loss that expects scores.

## Why it is wrong
Probabilities lie between 0 and 1. Taken for scores they are all nearly equal, and however sure the model is, the second
softmax spreads its answer over the whole vocabulary.

## Symptom
The loss starts where it should and falls slowly, to a floor well above zero that it never breaks. What the model
generates can be right all the same.

## How to find it
Feed logits that are certain and right: the loss must be nearly zero. Or let the model learn a single batch by heart.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.losses import cross_entropies
from mutations.source import Source

# Where these are at work the scores of a token need not be in the last dimension.
TURNED = m.Name("transpose") | m.Name("permute") | m.Name("mT") | m.Name("softmax")


def edits(source: Source) -> Iterator[Edit]:
    """Logits of the language model, as a cross-entropy is given them."""
    for loss in cross_entropies(source):
        logits = loss.logits
        if isinstance(logits, cst.Name | cst.Attribute | cst.Call | cst.Subscript) and not source.find(TURNED, logits):
            yield source.replace_within(loss.call, logits, f"{source.code(logits)}.softmax(dim=-1)")


OPERATOR = Operator(
    id="softmax-before-cross-entropy",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/bkitano/llama-from-scratch/issues/5",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The loss falls a little and then stays at a floor, although most predictions are right.",
        area="Work out by hand what is measured for a model that is certain and right.",
        mechanism="Scores become probabilities somewhere. How often does that happen on the way to the loss?",
    ),
    examples=(
        Example(
            "loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # ()\n",
            "loss = F.cross_entropy(logits.flatten(0, 1).softmax(dim=-1), targets.flatten())  # ()\n",
        ),
        Example(
            "loss = F.cross_entropy(logits.view(-1, logits.size(-1)), y.view(-1), ignore_index=-1)\n",
            "loss = F.cross_entropy(logits.view(-1, logits.size(-1)).softmax(dim=-1), y.view(-1), ignore_index=-1)\n",
        ),
        Example(
            "def loss_of(out, y):\n    return cross_entropy(input=out, target=y)\n",
            "def loss_of(out, y):\n    return cross_entropy(input=out.softmax(dim=-1), target=y)\n",
        ),
    ),
    look_alikes=(
        "loss = F.cross_entropy(logits.transpose(1, 2), targets)\n",
        "loss = F.nll_loss(logits.log_softmax(dim=-1), targets)\n",
        "def class_loss(logits, labels):\n    return F.cross_entropy(logits, labels)\n",
    ),
    edits=edits,
)
