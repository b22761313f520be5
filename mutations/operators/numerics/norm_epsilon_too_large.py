"""A norm adds far too much to the variance before it takes the root and divides.

## What it does
Gives one norm an epsilon of a thousandth, which is what another library takes when nothing is said.

## Why it is wrong
Epsilon only keeps a division by zero away; it must be small beside every variance that occurs. Embeddings that start
with a spread of a fiftieth have a variance of less than a thousandth, so what should come out with variance one comes
out far smaller.

## Symptom
It trains as well as ever, because gains can make up for it. With the same weights as a right model the logits differ,
most where the stream is small: in the first block, and before training.

## How to find it
Feed a norm a vector of tiny numbers, all different. Whatever their size, the result must have variance one.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.layers import function_name, norms
from mutations.roles.root_mean_square import epsilons
from mutations.source import Source

LARGE = "1e-3"
SMALL = 1e-4


def edits(source: Source) -> Iterator[Edit]:
    """Torch's norms made with a width alone or a small epsilon, its function called with one, and norms written out."""
    for layer in norms(source):
        call = layer.call
        if function_name(call) != "LayerNorm" or not isinstance(call.func, cst.Attribute):
            continue
        epsilon = argument(call, 1, "eps")
        if epsilon is not None and _is_small(epsilon.value):
            yield source.replace_within(call, epsilon.value, LARGE)
        elif epsilon is None and len(call.args) == 1 and not call.args[0].star:
            yield source.replace_within(call, call.args[0], f"{source.code(call.args[0])}, eps={LARGE}")
    for node in source.find(m.Call(func=m.Attribute(attr=m.Name("layer_norm")))):
        call = cst.ensure_type(node, cst.Call)
        epsilon = argument(call, 4, "eps")
        if epsilon is not None and _is_small(epsilon.value):
            yield source.replace_within(call, epsilon.value, LARGE)
    for number in epsilons(source):
        if _is_small(number):
            yield source.replace(number, LARGE)


def _is_small(epsilon: cst.BaseExpression) -> bool:
    return isinstance(epsilon, cst.Float) and float(epsilon.value) < SMALL


HEAD = "class Block(nn.Module):\n    def __init__(self, C):\n"

OPERATOR = Operator(
    id="norm-epsilon-too-large",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/keras-team/keras-hub/issues/642",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="With the same weights as a right model the logits differ, most before any training.",
        area="Feed each part of a block with very small numbers, and look at the size of what comes out.",
        mechanism="Something that should only guard a division takes part in it.",
    ),
    examples=(
        Example(
            HEAD + "        self.ln = nn.LayerNorm(C)\n",
            HEAD + "        self.ln = nn.LayerNorm(C, eps=1e-3)\n",
        ),
        Example(
            HEAD + "        self.ln = nn.LayerNorm(C, eps=1e-5)  # before attention\n",
            HEAD + "        self.ln = nn.LayerNorm(C, eps=1e-3)  # before attention\n",
        ),
        Example(
            "def forward(self, x):\n    return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)\n",
            "def forward(self, x):\n    return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-3)\n",
        ),
        Example(
            "class RMSNorm(nn.Module):\n    def __init__(self, C, eps=1e-6):\n        self.eps = eps\n",
            "class RMSNorm(nn.Module):\n    def __init__(self, C, eps=1e-3):\n        self.eps = eps\n",
        ),
        Example(
            "def rms(x):\n    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)\n",
            "def rms(x):\n    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-3)\n",
        ),
    ),
    look_alikes=(
        HEAD + "        self.ln = nn.LayerNorm(C, eps=config.eps)\n",
        HEAD + "        self.ln = LayerNorm(C, bias=config.bias)\n",
        HEAD + "        self.bn = nn.BatchNorm1d(C)\n",
    ),
    edits=edits,
)
