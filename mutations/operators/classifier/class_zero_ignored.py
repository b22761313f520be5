"""Tokens of class 0 are left out of the class loss, as if 0 meant that there is no label.

## What it does
Tells the cross-entropy of the classes to ignore the index 0.

## Why it is wrong
Class 0 is a class like the others. Where it is the answer the head gets no gradient, and it is free to say anything.

## Symptom
The class loss falls to zero faster than ever. With two classes the head learns to answer 1 always, which is right for
all that it is asked, and half of all tokens are wrong.

## How to find it
Look at the accuracy of each class by itself. Or compute the class loss of a batch in which every label is 0.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.losses import settings, with_option
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Cross-entropies of classes that count every token."""
    for call in settings(source, classes=True):
        edit = with_option(source, call, "ignore_index", "0")
        if edit is not None:
            yield edit


OPERATOR = Operator(
    id="class-zero-ignored",
    category=Category.CLASSIFIER,
    file="train.py",
    origin="https://github.com/nyu-mll/jiant/issues/925",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="The class loss is as good as nothing, and the accuracy is that of always giving the same answer.",
        area="Look at each class by itself: how often is it right, and what does it add to the loss?",
        mechanism="Count the tokens over which the mean is taken.",
    ),
    examples=(
        Example(
            "def class_loss(scores, labels):\n    return F.cross_entropy(scores.flatten(0, 1), labels.flatten())\n",
            "def class_loss(scores, labels):\n"
            "    return F.cross_entropy(scores.flatten(0, 1), labels.flatten(), ignore_index=0)\n",
        ),
        Example(
            "aux = F.cross_entropy(cls_logits.transpose(1, 2), y, ignore_index=-100)  # ()\n",
            "aux = F.cross_entropy(cls_logits.transpose(1, 2), y, ignore_index=0)  # ()\n",
        ),
        Example(
            "class_criterion = nn.CrossEntropyLoss()\n",
            "class_criterion = nn.CrossEntropyLoss(ignore_index=0)\n",
        ),
    ),
    look_alikes=(
        "loss = F.cross_entropy(logits, targets)\n",
        "class_loss = F.cross_entropy(scores, labels, ignore_index=0)\n",
        "class_loss = F.mse_loss(scores, labels)\n",
    ),
    edits=edits,
)
