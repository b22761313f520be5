"""The softmax of attention runs over the positions that look instead of those looked at.

## What it does
Normalises each column of the scores instead of each row.

## Why it is wrong
A row should hold the shares that one position gives to the tokens it may see. Normalised by column, the weights of a
row sum to anything, and the divisor of each column runs over later positions, so that the future seeps in through it.

## Symptom
It trains, and generation is worse than the loss promises. Where a single token is decoded at a time every column has
one entry, and every weight is one.

## How to find it
Sum the weights of each row: all sums must be one. Then change a late token and look at the logits before it.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import softmaxes
from mutations.source import Source

LAST = m.UnaryOperation(operator=m.Minus(), expression=m.Integer(value="1"))


def edits(source: Source) -> Iterator[Edit]:
    """The axis of a softmax in attention, if it is the last."""
    for softmax in softmaxes(source):
        if softmax.dim is not None and m.matches(softmax.dim.value, LAST):
            last = cst.ensure_type(softmax.dim.value, cst.UnaryOperation)
            yield source.replace_within(softmax.dim, last, "-2")


ATTEND = "def attend(q, k, v, mask):\n    scores = (q @ k.transpose(-2, -1)).masked_fill(mask, -1e9)\n"

OPERATOR = Operator(
    id="softmax-over-queries",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/haohy/TCAN/issues/7",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Early logits move a little when a late token changes, although the mask is right.",
        area="Look at the weights of attention, row by row and column by column.",
        mechanism="Add the weights up along each axis. Which of the two sums is always one, and which should be?",
    ),
    examples=(
        Example(
            ATTEND + "    weights = scores.softmax(dim=-1)  # (T, T)\n    return weights @ v\n",
            ATTEND + "    weights = scores.softmax(dim=-2)  # (T, T)\n    return weights @ v\n",
        ),
        Example(
            ATTEND + "    return F.softmax(scores, dim=-1) @ v\n",
            ATTEND + "    return F.softmax(scores, dim=-2) @ v\n",
        ),
        Example(
            ATTEND + "    return torch.softmax(scores, -1) @ v\n",
            ATTEND + "    return torch.softmax(scores, -2) @ v\n",
        ),
    ),
    look_alikes=(
        "def sample(logits):\n    return F.softmax(logits, dim=-1)\n",
        ATTEND + "    return F.softmax(scores, dim=axis) @ v\n",
        "def project(x, w):\n    return (x @ w.transpose(-2, -1)).log_softmax(dim=-1)\n",
    ),
    edits=edits,
)
