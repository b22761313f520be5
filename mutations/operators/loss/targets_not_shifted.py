"""The targets are the tokens themselves instead of the tokens that come next.

## What it does
Cuts the targets out of the sequence in the same place as the inputs.

## Why it is wrong
Each position is asked for the token that it has just been given. That can be answered without reading anything else,
and says nothing about what comes next.

## Symptom
The loss falls to zero within a few steps, on held-out batches as well. What the model generates is its last token, over
and over.

## How to find it
Print a row of a batch: each target must be the input one place further on.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.losses import shifts
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The later one of two windows on a sequence."""
    for shift in shifts(source):
        yield source.replace(shift.targets, source.code(shift.tokens))


OPERATOR = Operator(
    id="targets-not-shifted",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/Project-MONAI/GenerativeModels/issues/314",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The loss is too good to be true, and what is generated repeats itself.",
        area="Look at what a position is asked for, and at what it can see.",
        mechanism="Write down a short sequence, and below it what each of its tokens should predict.",
    ),
    examples=(
        Example(
            "tokens, targets = sequence[:, :-1], sequence[:, 1:]  # (B, T) each\n",
            "tokens, targets = sequence[:, :-1], sequence[:, :-1]  # (B, T) each\n",
        ),
        Example(
            "x = torch.stack([data[i : i + T] for i in ix])\ny = torch.stack([data[i + 1 : i + 1 + T] for i in ix])\n",
            "x = torch.stack([data[i : i + T] for i in ix])\ny = torch.stack([data[i : i + T] for i in ix])\n",
        ),
        Example(
            "def item(chunk):\n    x = chunk[:-1]\n    y = chunk[1:]\n    return x, y\n",
            "def item(chunk):\n    x = chunk[:-1]\n    y = chunk[:-1]\n    return x, y\n",
        ),
    ),
    look_alikes=(
        "change = x[1:] - x[:-1]\n",
        "head, rest = x[:1], x[1:]\n",
        "a, b = x[:, :-1], y[:, 1:]\n",
        "left, right = x[:, :half], x[:, half:]\n",
    ),
    edits=edits,
)
