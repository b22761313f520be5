"""The MLP works at the width of the model and never widens.

## What it does
Takes the factor away from both sides of the inner layer: what the first map gives and what the second one reads.

## Why it is wrong
The MLP is meant to look at the stream through many more features than the stream has numbers, four times as many in
every GPT. Without them each block has about a third of its parameters, and the two maps do little that one could not.

## Symptom
The shapes fit each other, so nothing crashes. The model is smaller than it should be, trains faster and ends at a
higher loss. A checkpoint of the right model does not load.

## How to find it
Count the parameters of one block: the MLP should hold twice as many as attention does. Or print the shapes of its two
matrices.
"""

from collections.abc import Iterator
from itertools import pairwise

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.layers import owner_of
from mutations.source import Source

FEW_LINES = 4


def edits(source: Source) -> Iterator[Edit]:
    """Two linear layers after each other, from a width to a multiple of it and back."""
    linears = source.find(m.Call(func=m.Attribute(attr=m.Name("Linear")) | m.Name("Linear")))
    for first, second in pairwise(cst.ensure_type(node, cst.Call) for node in linears):
        sizes = [
            argument(call, position, keyword)
            for call in (first, second)
            for position, keyword in enumerate(("in_features", "out_features"))
        ]
        widths = [size.value for size in sizes if size is not None]
        if len(widths) < len(sizes) or owner_of(source, first) is not owner_of(source, second):
            continue
        width, wide, wide_again, width_again = widths
        if not (wide.deep_equals(wide_again) and width.deep_equals(width_again) and _is_multiple(wide, width)):
            continue
        (start, middle), (middle_end, end) = source.span(wide), source.span(wide_again)
        between = source.code_between(middle, middle_end)
        if between.count("\n") <= FEW_LINES:
            yield source.replace_span(start, end, f"{source.code(width)}{between}{source.code(width)}")


def _is_multiple(wide: cst.BaseExpression, width: cst.BaseExpression) -> bool:
    if not isinstance(wide, cst.BinaryOperation) or wide.lpar or not isinstance(wide.operator, cst.Multiply):
        return False
    factors = (wide.left, wide.right)
    return any(isinstance(a, cst.Integer) and b.deep_equals(width) for a, b in (factors, factors[::-1]))


OPERATOR = Operator(
    id="mlp-stays-at-model-width",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/teddykoker/image-gpt/issues/1",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The model trains quickly, stays behind what it should reach, and is small for its configuration.",
        area="Count the parameters of a block, part by part.",
        mechanism="Between its two maps a GPT has room for many more features than the stream has. Here it has not.",
    ),
    examples=(
        Example(
            "class MLP(nn.Module):\n"
            "    def __init__(self, C):\n"
            "        self.up = nn.Linear(C, 4 * C)\n"
            "        self.down = nn.Linear(4 * C, C)\n",
            "class MLP(nn.Module):\n"
            "    def __init__(self, C):\n"
            "        self.up = nn.Linear(C, C)\n"
            "        self.down = nn.Linear(C, C)\n",
        ),
        Example(
            "class MLP(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)\n"
            "        self.act = nn.GELU()\n"
            "        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)\n",
            "class MLP(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        self.c_fc = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)\n"
            "        self.act = nn.GELU()\n"
            "        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)\n",
        ),
        Example(
            "self.net = nn.Sequential(nn.Linear(n_embd, n_embd * 4), nn.ReLU(), nn.Linear(n_embd * 4, n_embd))\n",
            "self.net = nn.Sequential(nn.Linear(n_embd, n_embd), nn.ReLU(), nn.Linear(n_embd, n_embd))\n",
        ),
    ),
    look_alikes=(
        "class Attention(nn.Module):\n"
        "    def __init__(self, C):\n"
        "        self.c_attn = nn.Linear(C, 3 * C)\n"
        "        self.c_proj = nn.Linear(C, C)\n",
        "class Up(nn.Module):\n"
        "    def __init__(self, C):\n"
        "        self.up = nn.Linear(C, 4 * C)\n"
        "\n"
        "\n"
        "class Down(nn.Module):\n"
        "    def __init__(self, C):\n"
        "        self.down = nn.Linear(4 * C, C)\n",
        "class MLP(nn.Module):\n"
        "    def __init__(self, C, inner):\n"
        "        self.up = nn.Linear(C, inner)\n"
        "        self.down = nn.Linear(inner, C)\n",
    ),
    edits=edits,
)
