"""A norm divides by the inverse of the root, and so multiplies by the root.

## What it does
Divides by what `rsqrt` gives, as if it were a root.

## Why it is wrong
What is large gets larger, by its own size, and what is small vanishes: the opposite of what a norm is for.

## Symptom
Activations start small, so at first hardly anything reaches the head; then the loss jumps, or never moves.

## How to find it
Feed the norm with a vector and with ten times that vector: both must give the same.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.root_mean_square import roots
from mutations.roles.sizes import resolve
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Products of something and the inverse of a root, by that very call or by the name that it was given."""
    inverses = [root.call for root in roots(source) if root.is_inverse]
    for node in source.find(m.BinaryOperation(operator=m.Multiply())):
        product = cst.ensure_type(node, cst.BinaryOperation)
        if resolve(source, product.right) in inverses:
            start, end = source.span(product.left)[1], source.span(product.right)[0]
            between = source.code_between(start, end)
            yield source.replace_span(start, end, between.replace("*", "/"))


OPERATOR = Operator(
    id="norm-divides-by-the-inverse",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/mosaicml/llm-foundry/issues/371",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The loss hardly moves, and then it explodes.",
        area="Multiply what goes into one part of the model by ten, and measure what comes out.",
        mechanism="Something that should make sizes equal makes them more unequal.",
    ),
    examples=(
        Example(
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)\n",
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        return x / torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)\n",
        ),
        Example(
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        inverse = (x.pow(2).mean(-1, keepdim=True) + self.eps).rsqrt()\n"
            "        return self.weight * (x * inverse)\n",
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        inverse = (x.pow(2).mean(-1, keepdim=True) + self.eps).rsqrt()\n"
            "        return self.weight * (x / inverse)\n",
        ),
    ),
    look_alikes=(
        "class RMSNorm(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)\n",
        "class RMSNorm(nn.Module):\n    def forward(self, x):\n        return torch.rsqrt(x) * self.weight\n",
        "y = x * scale\n",
    ),
    edits=edits,
)
