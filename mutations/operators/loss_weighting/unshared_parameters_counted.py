"""Parameters that only one objective reaches count in its gradient norm.

## What it does
Asks for zeros where a loss does not reach a parameter. What looks for parameters that both losses reach then takes
all of them, and the other loss's gradient of its own head comes along.

## Why it is wrong
The two objectives compete for what they share. A head belongs to one of them; the longer its gradient is, the more
the weight is off, and it is off the other way round for the other head.

## Symptom
Both objectives learn, and one of them is still behind. The weight changes when a head is made wider, or is scaled,
though nothing changed where the objectives meet.

## How to find it
Scale up the gradient of one head alone, by its weights, and see whether the weight between the losses moves.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.weighting import compared_gradients
from mutations.source import Source

UNUSED = m.Arg(keyword=m.Name("allow_unused"), value=m.Name("True"))
IS_THERE = m.Comparison(comparisons=[m.ComparisonTarget(m.IsNot(), m.Name("None"))])


def edits(source: Source) -> Iterator[Edit]:
    """What makes up for parameters that a loss does not reach, in functions that look for those that it does."""
    for call in compared_gradients(source):
        if source.find(IS_THERE, within=source.scope(call)):
            for arg in call.args:
                if m.matches(arg, UNUSED):
                    yield source.replace(arg, "materialize_grads=True")


FIRST = "def weight(one, other, ps):\n    a = torch.autograd.grad(one, ps, retain_graph=True"
SECOND = "    b = autograd.grad(other, ps"
SHARED = "    both = [(x, y) for x, y in zip(a, b) if x is not None and y is not None]\n    return ratio(both)\n"

OPERATOR = Operator(
    id="unshared-parameters-counted",
    category=Category.WEIGHTING,
    file="train.py",
    origin="https://github.com/WeiChengTseng/Pytorch-PCGrad/issues/1",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.WEIGHTING}),
    hints=Hints(
        symptom="After balancing, one objective is still behind, and the weight depends on the size of a head.",
        area="Look at which parameters take part when gradients are measured.",
        mechanism="Nothing and zero are not the same: one says that a loss has no say in a parameter.",
    ),
    examples=(
        Example(
            f"{FIRST}, allow_unused=True)\n{SECOND})\n{SHARED}",
            f"{FIRST}, materialize_grads=True)\n{SECOND})\n{SHARED}",
        ),
        Example(
            f"{FIRST})\n{SECOND}, retain_graph=True, allow_unused=True)  # here too\n{SHARED}",
            f"{FIRST})\n{SECOND}, retain_graph=True, materialize_grads=True)  # here too\n{SHARED}",
        ),
    ),
    look_alikes=(
        "def norms(a, ps):\n    return torch.autograd.grad(a, ps, allow_unused=True)\n",
        f"{FIRST}, allow_unused=True)\n{SECOND}, allow_unused=True)\n    return a, b\n",
        f"{FIRST})\n{SECOND})\n{SHARED}",
    ),
    edits=edits,
)
