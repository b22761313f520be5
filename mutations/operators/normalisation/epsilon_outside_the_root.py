"""The epsilon of a norm is added to the root, and not to what the root is taken of.

## What it does
Takes the root of the mean of squares alone, and adds the epsilon to it.

## Why it is wrong
An epsilon of 1e-6 under the root counts for as much as one of 1e-3 beside it. Tokens whose numbers are small are normed
otherwise than by everybody else, and at zero the root has no derivative.

## Symptom
Hardly any, with weights of one's own. Weights from elsewhere give other numbers, the more so in the first layers.

## How to find it
Feed the norm with a vector of the size of the root of the epsilon, and compare with the formula; and with zeros, and
look at the gradient.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.root_mean_square import roots
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Roots of a mean and an epsilon: the inverse of one becomes the inverse of a sum."""
    for root in roots(source):
        mean, epsilon = source.code(root.mean), source.code(root.epsilon)
        name = _function(source, root.call, "sqrt")
        plain = f"{name}({mean})" if root.call.args else f"{_bracketed(root.mean, mean)}.sqrt()"
        total = f"{plain} + {epsilon}"
        if root.is_inverse:
            yield source.replace(root.call, f"({total}).reciprocal()")
        else:
            stands_alone = isinstance(source.parent(root.call), cst.Assign | cst.Return)
            yield source.replace(root.call, total if stands_alone else f"({total})")


def _function(source: Source, call: cst.Call, name: str) -> str:
    """The name of the root's function, in the module that the code takes it from."""
    if isinstance(call.func, cst.Attribute):
        return f"{source.code(call.func.value)}.{name}"
    return name


def _bracketed(node: cst.BaseExpression, text: str) -> str:
    return f"({text})" if isinstance(node, cst.BinaryOperation | cst.UnaryOperation) else text


OPERATOR = Operator(
    id="epsilon-outside-the-root",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/EleutherAI/gpt-neox/pull/1342",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="With weights from elsewhere the numbers are slightly off, and most where activations are small.",
        area="Feed a norm with vectors that get smaller and smaller.",
        mechanism="A small number guards a division. Ask at which moment it is put in.",
    ),
    examples=(
        Example(
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)\n",
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        return x * (torch.sqrt(x.pow(2).mean(-1, keepdim=True)) + self.eps).reciprocal()\n",
        ),
        Example(
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        rms = torch.sqrt(torch.mean(x * x, dim=-1, keepdim=True) + 1e-5)\n"
            "        return x / rms\n",
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        rms = torch.sqrt(torch.mean(x * x, dim=-1, keepdim=True)) + 1e-5\n"
            "        return x / rms\n",
        ),
        Example(
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        ms = x.square().mean(-1, keepdim=True)\n"
            "        return x * (ms + self.eps).rsqrt()\n",
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        ms = x.square().mean(-1, keepdim=True)\n"
            "        return x * (ms.sqrt() + self.eps).reciprocal()\n",
        ),
    ),
    look_alikes=(
        "scale = 1 / math.sqrt(width + 1)\n",
        "class RMSNorm(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x / (x.norm(dim=-1, keepdim=True) + self.eps)\n",
        "loss = (x.mean() + 0.1).item()\n",
    ),
    edits=edits,
)
