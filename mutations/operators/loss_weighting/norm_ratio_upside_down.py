"""The weight by gradient norms is the wrong way up: what pulls weakly is made weaker.

## What it does
Divides the norm of the gradient that is to be weighed by the other one, instead of the other way round.

## Why it is wrong
The weight is multiplied with the gradient of the weaker objective to make it as long as the stronger one's. Upside down
it takes the factor that is missing away once more.

## Symptom
One objective stops learning. The more one-sided the gradients are, the more one-sided they become, and where they
happen to be equally long nothing shows.

## How to find it
Multiply the weight with the norm that it belongs to, and compare with the other norm.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.weighting import norm_ratios
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Quotients of two norms, where gradients are compared; what guards against zero stays where it is."""
    for ratio in norm_ratios(source):
        (start, middle), (resumed, end) = source.span(ratio.upper), source.span(ratio.lower)
        upper, lower = source.code(ratio.upper), source.code(ratio.lower)
        yield source.replace_span(start, end, lower + source.code_between(middle, resumed) + upper)


GRADS = """\
def weight(first, second, shared):
    (a,) = torch.autograd.grad(first, shared, retain_graph=True)
    (b,) = torch.autograd.grad(second, shared, retain_graph=True)
"""

OPERATOR = Operator(
    id="norm-ratio-upside-down",
    category=Category.WEIGHTING,
    file="train.py",
    origin="https://github.com/hshustc/CVPR19_Incremental_Learning/issues/4",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.WEIGHTING}),
    hints=Hints(
        symptom="Balancing makes things worse: the objective that was behind now learns nothing at all.",
        area="Multiply the weight with what it is meant for, and compare the result with its counterpart.",
        mechanism="To make a small thing as large as a big one takes a factor above one. Is it?",
    ),
    examples=(
        Example(
            GRADS + "    return a.norm() / max(b.norm(), 1e-8)\n",
            GRADS + "    return b.norm() / max(a.norm(), 1e-8)\n",
        ),
        Example(
            GRADS + "    return torch.norm(a) / (torch.norm(b) + 1e-6)  # a number\n",
            GRADS + "    return torch.norm(b) / (torch.norm(a) + 1e-6)  # a number\n",
        ),
        Example(
            GRADS + "    norm_a, norm_b = a.norm(), b.norm()\n    return (norm_a / norm_b.clamp(min=1e-8)).item()\n",
            GRADS + "    norm_a, norm_b = a.norm(), b.norm()\n    return (norm_b / norm_a.clamp(min=1e-8)).item()\n",
        ),
    ),
    look_alikes=(
        "def share(a, b):\n    return a.norm() / b.norm()\n",
        GRADS + "    return a.norm() / 2\n",
        GRADS + "    return a.norm() * b.norm()\n",
    ),
    edits=edits,
)
