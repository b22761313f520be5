"""Nothing keeps the log variances from growing: the term that they cost is missing.

## What it does
Removes the half of the log variance that is added to each weighted loss.

## Why it is wrong
A large log variance makes a loss count less, and that has to have a price. Without one the smallest total is that of
weights that are all zero, and the log variances set out for it.

## Symptom
The total falls to zero whatever the losses do. The more a loss hurts, the sooner it is switched off. With an optimizer
that does not mind the size of gradients the model goes on learning, which hides it.

## How to find it
Differentiate the total by the log variances: somewhere the gradient has to change its sign.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.weighting import uncertainties
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """What is added to a loss that its log variance counts."""
    for uncertain in uncertainties(source):
        yield source.replace(uncertain.total, source.code(uncertain.product))


OPERATOR = Operator(
    id="log-variance-never-paid-for",
    category=Category.WEIGHTING,
    file="train.py",
    origin="https://github.com/yaringal/multi-task-learning-example/issues/6",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.LINE,
    needs=frozenset({Part.WEIGHTING}),
    hints=Hints(
        symptom="The total goes to nothing and takes every objective with it, however badly the model does.",
        area="Follow what is learned beside the model over a long run.",
        mechanism="It is free to declare oneself doubtful. What should that cost?",
    ),
    examples=(
        Example(
            "def weigh(a, b, s):\n    return ((-s).exp() * torch.stack((a, b)) + s / 2).sum()\n",
            "def weigh(a, b, s):\n    return ((-s).exp() * torch.stack((a, b))).sum()\n",
        ),
        Example(
            "total = torch.exp(-self.log_var) * loss + 0.5 * self.log_var  # one\n",
            "total = torch.exp(-self.log_var) * loss  # one\n",
        ),
        Example(
            "loss = s[0] + loss_a * torch.exp(-s[0])\n",
            "loss = loss_a * torch.exp(-s[0])\n",
        ),
    ),
    look_alikes=(
        "total = torch.exp(-s) * loss + penalty\n",
        "total = torch.exp(-s) * loss + other(s)\n",
        "total = s * loss + s / 2\n",
    ),
    edits=edits,
)
