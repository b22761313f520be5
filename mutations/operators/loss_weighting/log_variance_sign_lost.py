"""What is uncertain counts more: the sign of the log variance is lost.

## What it does
Counts each loss with exp(s) instead of exp(-s), where s is its log variance.

## Why it is wrong
A loss is to be divided by its variance. Now it is multiplied by it, and the term that should keep s from growing pulls
in the same direction as the losses: the total falls for ever while s goes to minus infinity.

## Symptom
The total falls below zero and goes on falling. All that is learned is to count every loss for nothing, so that both
objectives slow down together.

## How to find it
Work out by hand at which s the total is smallest for a loss of one, and ask the code for its gradient there.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.optimizers import with_parentheses
from mutations.roles.weighting import uncertainties
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The minus in the exponent of a log variance."""
    for uncertain in uncertainties(source):
        start, end = with_parentheses(source, uncertain.negated)
        if source.code(source.parent(uncertain.negated)).startswith("("):
            yield source.replace_span(start, end, source.code(uncertain.negated.expression))
        else:
            yield source.replace(uncertain.negated, source.code(uncertain.negated.expression))


OPERATOR = Operator(
    id="log-variance-sign-lost",
    category=Category.WEIGHTING,
    file="train.py",
    origin="https://github.com/yaringal/multi-task-learning-example/issues/14",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.LINE,
    needs=frozenset({Part.WEIGHTING}),
    hints=Hints(
        symptom="The total of the losses falls and falls, below zero and further, while neither objective gets better.",
        area="Look at what is learned beside the model: where does it come to rest?",
        mechanism="Something that is doubtful should count less. Take a large doubt and see how much it counts.",
    ),
    examples=(
        Example(
            "def weigh(a, b, s):\n    return ((-s).exp() * torch.stack((a, b)) + s / 2).sum()\n",
            "def weigh(a, b, s):\n    return (s.exp() * torch.stack((a, b)) + s / 2).sum()\n",
        ),
        Example(
            "total = torch.exp(-self.log_var) * loss + 0.5 * self.log_var  # one\n",
            "total = torch.exp(self.log_var) * loss + 0.5 * self.log_var  # one\n",
        ),
        Example(
            "loss = s[0] + loss_a * torch.exp(-s[0])\n",
            "loss = s[0] + loss_a * torch.exp(s[0])\n",
        ),
    ),
    look_alikes=(
        "def kl(mu, s):\n    return 0.5 * (mu**2 + s.exp() - s - 1)\n",
        "y = torch.exp(-x) * loss + other / 2\n",
        "decay = (-rate).exp() * loss\n",
    ),
    edits=edits,
)
