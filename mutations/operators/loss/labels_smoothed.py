"""The loss smooths its targets, in training and in evaluation alike.

## What it does
Lets a tenth of each target be shared out among all tokens of the vocabulary.

## Why it is wrong
Smoothing is a way to train that one may choose; it is no measure. Here it was not asked for, and the same loss reports
the held-out result, which is then no log-likelihood and compares with no other.

## Symptom
The loss starts where it should and does not go below a floor that depends on the vocabulary, however easy the data. A
model that has learnt everything learns to be less sure.

## How to find it
Give the loss logits that are certain and right. Compare it with the negative log-probability of the targets.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.losses import settings, with_option
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Cross-entropies of the language model with targets as they are."""
    for call in settings(source, classes=False):
        edit = with_option(source, call, "label_smoothing", "0.1")
        if edit is not None:
            yield edit


OPERATOR = Operator(
    id="labels-smoothed",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/pytorch/pytorch/issues/129050",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.LINE,
    hints=Hints(
        symptom="On data that can be learnt by heart the loss does not reach zero.",
        area="Work out the loss of a handful of tokens from their logits, without the library.",
        mechanism="How sure may the model be, before it pays for being too sure?",
    ),
    examples=(
        Example(
            "loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # ()\n",
            "loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=0.1)  # ()\n",
        ),
        Example(
            "def loss_of(x, y):\n    return F.cross_entropy(x.view(-1, V), y.view(-1), ignore_index=-1)\n",
            "def loss_of(x, y):\n"
            "    return F.cross_entropy(x.view(-1, V), y.view(-1), ignore_index=-1, label_smoothing=0.1)\n",
        ),
        Example(
            "criterion = nn.CrossEntropyLoss(label_smoothing=0.0)\n",
            "criterion = nn.CrossEntropyLoss(label_smoothing=0.1)\n",
        ),
    ),
    look_alikes=(
        "loss = F.cross_entropy(x, y, label_smoothing=0.1)\n",
        "loss = F.mse_loss(x, y)\n",
        "loss = F.cross_entropy(class_logits, labels)\n",
    ),
    edits=edits,
)
