"""A norm divides by the spread of a vector with nothing added to it.

## What it does
Sets the epsilon of one norm to zero.

## Why it is wrong
A vector whose numbers are all equal has no spread, and zero over zero is NaN. Such vectors are rare, and they come:
from an embedding that starts at zero, from a unit that has died, or where sixteen bits round small differences away.

## Symptom
None for ordinary inputs: logits agree with a right model's to four or five digits. A flat vector gives NaN, and the
gradient of one that is nearly flat is enormous.

## How to find it
Feed each norm a vector of zeros, forward and backward. What comes out should be its bias.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.layers import function_name, norms
from mutations.roles.root_mean_square import epsilons
from mutations.source import Source

NOTHING = "0.0"


def edits(source: Source) -> Iterator[Edit]:
    """Torch's norms, made with a width alone or with an epsilon that is written there, and norms written out."""
    for layer in norms(source):
        call = layer.call
        if function_name(call) != "LayerNorm" or not isinstance(call.func, cst.Attribute):
            continue
        epsilon = argument(call, 1, "eps")
        if epsilon is not None and isinstance(epsilon.value, cst.Float) and float(epsilon.value.value) > 0:
            yield source.replace_within(call, epsilon.value, NOTHING)
        elif epsilon is None and len(call.args) == 1 and not call.args[0].star:
            yield source.replace_within(call, call.args[0], f"{source.code(call.args[0])}, eps={NOTHING}")
    for number in epsilons(source):
        if float(number.value) > 0:
            yield source.replace(number, NOTHING)


HEAD = "class Block(nn.Module):\n    def __init__(self, C):\n"

OPERATOR = Operator(
    id="norm-without-epsilon",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/VeriSilicon/TIM-VX/pull/589",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Nearly every input is answered rightly. A few give NaN, and they have nothing in common to the eye.",
        area="Feed each part of a block with vectors that are as plain as can be.",
        mechanism="There is a division. Ask what it divides by when there is nothing to tell the numbers apart.",
    ),
    examples=(
        Example(
            HEAD + "        self.ln = nn.LayerNorm(C)\n",
            HEAD + "        self.ln = nn.LayerNorm(C, eps=0.0)\n",
        ),
        Example(
            HEAD + "        self.ln = nn.LayerNorm(C, eps=1e-5)  # before attention\n",
            HEAD + "        self.ln = nn.LayerNorm(C, eps=0.0)  # before attention\n",
        ),
        Example(
            "class RMSNorm(nn.Module):\n    def __init__(self, C, eps=1e-6):\n        self.eps = eps\n",
            "class RMSNorm(nn.Module):\n    def __init__(self, C, eps=0.0):\n        self.eps = eps\n",
        ),
        Example(
            "def rms(x):\n    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)\n",
            "def rms(x):\n    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 0.0)\n",
        ),
    ),
    look_alikes=(
        HEAD + "        self.ln = nn.LayerNorm(C, eps=config.eps)\n",
        HEAD + "        self.ln = LayerNorm(C, bias=config.bias)\n",
        HEAD + "        self.bn = nn.BatchNorm1d(C)\n",
    ),
    edits=edits,
)
