"""Targets of token 0 are left out of the loss, as if 0 were padding.

## What it does
Tells the cross-entropy to ignore the index 0.

## Why it is wrong
In this vocabulary 0 is a token like any other and nothing is padded. Where it comes next the model gets no gradient, so
it never learns to say it.

## Symptom
The loss falls as usual, since what is hard to see is not counted. Token 0 is hardly ever generated.

## How to find it
Compare the loss of a batch with the mean over all its tokens, worked out from the logits. Or give a batch whose targets
are all 0.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.losses import settings, with_option
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Cross-entropies of the language model that count every token."""
    for call in settings(source, classes=False):
        edit = with_option(source, call, "ignore_index", "0")
        if edit is not None:
            yield edit


OPERATOR = Operator(
    id="token-zero-ignored",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/lucidrains/parti-pytorch/issues/8",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="One token of the vocabulary is almost never generated, however common it is.",
        area="For each token of the vocabulary, look at how well it is predicted where it should be.",
        mechanism="Count the tokens that the mean is taken over, and the tokens of the batch.",
    ),
    examples=(
        Example(
            "loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # ()\n",
            "loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)  # ()\n",
        ),
        Example(
            "loss = F.cross_entropy(x.view(-1, V), y.view(-1), ignore_index=-1)\n",
            "loss = F.cross_entropy(x.view(-1, V), y.view(-1), ignore_index=0)\n",
        ),
        Example("criterion = nn.CrossEntropyLoss()\n", "criterion = nn.CrossEntropyLoss(ignore_index=0)\n"),
    ),
    look_alikes=(
        "loss = F.cross_entropy(x, y, ignore_index=0)\n",
        "loss = F.cross_entropy(class_logits, labels)\n",
        "loss = F.cross_entropy(*pair)\n",
    ),
    edits=edits,
)
