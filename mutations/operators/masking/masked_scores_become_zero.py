"""Scores that the mask hides are set to zero instead of minus infinity.

## What it does
Fills the forbidden scores, before the softmax, with a number that a score may very well have.

## Why it is wrong
The softmax takes exponentials: a score of zero becomes a weight of one before the weights are normalised. Hidden
positions take part like any other, and where the rest scores below zero they even take the larger share.

## Symptom
The training loss is better than it should be, since part of every answer leaks in. Nothing crashes, and the weights
of every row still sum to one.

## How to find it
Print the weights of one head for a short sequence. Above the diagonal they must be exactly zero, not merely small.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import fills, fills_scores
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """What the scores of attention are filled with; not what a mask that is added to them is filled with."""
    for fill in fills(source):
        if fills_scores(source, fill) and leaves_nothing_unread(source, fill.value):
            yield source.replace_within(fill.call, fill.value, "0.0")


ATTEND = "def attend(q, k, v, mask):\n    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))\n"

OPERATOR = Operator(
    id="masked-scores-become-zero",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/awslabs/gluonts/pull/1401",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Changing a late token moves the logits of early ones a little, everywhere.",
        area="Follow the scores from the product of queries and keys to the weights.",
        mechanism="Work out by hand which weight a hidden position gets when all visible ones score below it.",
    ),
    examples=(
        Example(
            ATTEND
            + '    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)  # (T, T)\n'
            + "    return weights @ v\n",
            ATTEND + "    weights = scores.masked_fill(mask, 0.0).softmax(dim=-1)  # (T, T)\n    return weights @ v\n",
        ),
        Example(
            ATTEND + "    scores.masked_fill_(~mask, -1e9)\n    return F.softmax(scores, dim=-1) @ v\n",
            ATTEND + "    scores.masked_fill_(~mask, 0.0)\n    return F.softmax(scores, dim=-1) @ v\n",
        ),
        Example(
            ATTEND
            + "    scores = scores.masked_fill(mask, value=-math.inf)\n    return F.softmax(scores, dim=-1) @ v\n",
            ATTEND + "    scores = scores.masked_fill(mask, value=0.0)\n    return F.softmax(scores, dim=-1) @ v\n",
        ),
        Example(
            "def forward(self, x):\n    att = torch.matmul(q, k.transpose(2, 3))\n"
            "    att = att.masked_fill(self.bias[:T, :T] == 0, torch.finfo(att.dtype).min)\n"
            "    return torch.matmul(torch.softmax(att, dim=-1), v)\n",
            "def forward(self, x):\n    att = torch.matmul(q, k.transpose(2, 3))\n"
            "    att = att.masked_fill(self.bias[:T, :T] == 0, 0.0)\n"
            "    return torch.matmul(torch.softmax(att, dim=-1), v)\n",
        ),
    ),
    look_alikes=(
        ATTEND
        + '    bias = torch.zeros(T, T).masked_fill(mask, float("-inf"))\n    return (scores + bias).softmax(-1) @ v\n',
        'def sample(logits):\n    return logits.masked_fill(logits < least, float("-inf")).softmax(dim=-1)\n',
        ATTEND + "    mask.masked_fill_(mask.bool(), -math.inf)\n    return (scores + mask).softmax(dim=-1) @ v\n",
        ATTEND + "    return scores.softmax(dim=-1).masked_fill(mask, 0.0) @ v\n",
        "import math\n\n\ndef attend(q, k, v, mask):\n    scores = q @ k.transpose(-2, -1)\n"
        "    return scores.masked_fill(mask, -math.inf).softmax(dim=-1) @ v\n",
    ),
    edits=edits,
)
