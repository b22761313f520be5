"""The loss is a sum over tokens instead of their mean.

## What it does
Asks the cross-entropy to add up the losses of all tokens.

## Why it is wrong
A sum grows with the batch and with the length of its rows, and its gradient does too. The clip then cuts every update
to the same length, losses of different batches cannot be compared, and the weight of a second loss no longer means
anything.

## Symptom
The first loss is not the logarithm of the size of the vocabulary but hundreds of times as much. Training works all the
same: the clip and the optimizer hide the scale.

## How to find it
Compare the loss before the first update with that logarithm. Repeat a batch twice over: its loss must not change.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.losses import settings, with_option
from mutations.roles.quotes import quoted
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Cross-entropies of the language model that reduce to their mean."""
    for call in settings(source, classes=False):
        edit = with_option(source, call, "reduction", quoted(source, "sum"))
        reduction = argument(call, len(call.args), "reduction")
        if edit is not None and (reduction is None or isinstance(reduction.value, cst.SimpleString)):
            yield edit


OPERATOR = Operator(
    id="loss-summed-over-tokens",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/ai-safety-foundation/sparse_autoencoder/issues/63",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The loss is far larger than guessing would make it, and larger still for larger batches.",
        area="Compare the very first loss with that of a model that knows nothing.",
        mechanism="Many numbers become one. What should happen to it when there are twice as many?",
    ),
    examples=(
        Example(
            "loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # ()\n",
            'loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")  # ()\n',
        ),
        Example(
            "loss = F.cross_entropy(x, y, ignore_index=-1, reduction='mean')\n",
            "loss = F.cross_entropy(x, y, ignore_index=-1, reduction='sum')\n",
        ),
        Example("criterion = nn.CrossEntropyLoss()\n", 'criterion = nn.CrossEntropyLoss(reduction="sum")\n'),
    ),
    look_alikes=(
        "def loss(x, y, reduction):\n    return F.cross_entropy(x, y, reduction=reduction)\n",
        'loss = F.cross_entropy(x, y, reduction="none")\n',
        "loss = F.cross_entropy(x, y, reduction='sum') / n\n",
        "class_loss = F.cross_entropy(x, y)\n",
    ),
    edits=edits,
)
