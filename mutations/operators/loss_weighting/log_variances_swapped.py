"""Each objective is weighed by the other one's log variance.

## What it does
Lines up the losses in another order than the log variances they are multiplied with.

## Why it is wrong
A log variance learns from the loss that it counts. While both are learned the swap does not show; but
code that reads the weights, starts from chosen ones, or keeps one of them fixed deals with the wrong objective.

## Symptom
None in the total while both log variances are equal, as they are at the start. The learned weights say of the hard
objective that it is the easy one.

## How to find it
Raise one of the two log variances by itself and look which loss counts less.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.weighting import uncertainties
from mutations.source import Source

TWO = [m.Element(), m.Element()]
STACKED = m.Call(
    func=m.Attribute(attr=m.Name("stack")) | m.Name("stack"),
    args=[m.Arg(m.Tuple(elements=TWO) | m.List(elements=TWO))],
)


def edits(source: Source) -> Iterator[Edit]:
    """Two losses that are stacked to be counted by two log variances."""
    for uncertain in uncertainties(source):
        if m.matches(uncertain.losses, STACKED):
            stack = cst.ensure_type(uncertain.losses, cst.Call)
            pair = stack.args[0].value
            assert isinstance(pair, cst.Tuple | cst.List)
            (start, middle), (resumed, end) = (source.span(element.value) for element in pair.elements)
            first, second = source.code_between(start, middle), source.code_between(resumed, end)
            yield source.replace_span(start, end, second + source.code_between(middle, resumed) + first)


OPERATOR = Operator(
    id="log-variances-swapped",
    category=Category.WEIGHTING,
    file="train.py",
    origin="https://github.com/amanshenoy/multilogue-net/issues/21",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.WEIGHTING}),
    hints=Hints(
        symptom="Training goes well, and the weights that it has learned say the opposite of what the losses say.",
        area="Change one of the two things that are learned beside the model, and see which objective it belongs to.",
        mechanism="Two lists are multiplied element by element. Is the first of the one about the first of the other?",
    ),
    examples=(
        Example(
            "def weigh(lm, cls, s):\n    return ((-s).exp() * torch.stack((lm, cls)) + s / 2).sum()\n",
            "def weigh(lm, cls, s):\n    return ((-s).exp() * torch.stack((cls, lm)) + s / 2).sum()\n",
        ),
        Example(
            "total = torch.stack([loss_a, loss_b]) * torch.exp(-self.s) + 0.5 * self.s\n",
            "total = torch.stack([loss_b, loss_a]) * torch.exp(-self.s) + 0.5 * self.s\n",
        ),
    ),
    look_alikes=(
        "total = torch.exp(-s) * loss + s / 2\n",
        "pair = torch.stack((lm_loss, class_loss))\n",
        "total = torch.exp(-s) * torch.stack((a, b, c)) + s / 2\n",
    ),
    edits=edits,
)
