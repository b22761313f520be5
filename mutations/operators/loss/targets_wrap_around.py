"""The last target of a row is the row's own first token.

## What it does
Makes the targets out of the inputs by rolling them one place, where the sequence has one token more to offer.

## Why it is wrong
What is rolled out on the left comes in again on the right. The last position, the one that has seen most, is asked for
a token that does not follow it.

## Symptom
All targets but one in each row are right, so that the loss falls; it stays above what the data allow, the more so the
shorter the rows are. The last position predicts badly, and that is the one that generates. Where rows are
exactly as long as a period of the data, nothing shows.

## How to find it
Continue a row of a batch by hand and compare its last target with the token that comes next.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.losses import shifts
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The later one of two windows on a sequence: the earlier one, rolled along its last dimension."""
    for shift in shifts(source):
        last = len(shift.tokens.slice) - 1
        roll = f"roll(-1, dims={last})" if last else "roll(-1)"
        yield source.replace(shift.targets, f"{source.code(shift.tokens)}.{roll}")


OPERATOR = Operator(
    id="targets-wrap-around",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/verl-project/verl/issues/6475",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The loss falls, but not as far as the data allow, least of all with short rows.",
        area="Look at the loss of each position by itself instead of at the mean.",
        mechanism="Where does the answer for the very end of a row come from?",
    ),
    examples=(
        Example(
            "tokens, targets = sequence[:, :-1], sequence[:, 1:]  # (B, T) each\n",
            "tokens, targets = sequence[:, :-1], sequence[:, :-1].roll(-1, dims=1)  # (B, T) each\n",
        ),
        Example(
            "x = torch.stack([data[i : i + T] for i in ix])\ny = torch.stack([data[i + 1 : i + 1 + T] for i in ix])\n",
            "x = torch.stack([data[i : i + T] for i in ix])\ny = torch.stack([data[i : i + T].roll(-1) for i in ix])\n",
        ),
        Example(
            "def item(chunk):\n    return chunk[:-1], chunk[1:]\n",
            "def item(chunk):\n    return chunk[:-1], chunk[:-1].roll(-1)\n",
        ),
    ),
    look_alikes=(
        "change = x[1:] - x[:-1]\n",
        "head, rest = x[:1], x[1:]\n",
        "a, b = x[:, :-1], x[:, 2:]\n",
    ),
    edits=edits,
)
