"""The gains of the norms are drawn at random like weights, instead of starting at one.

## What it does
Lets the draw that is meant for matrices reach the gains of the norms as well.

## Why it is wrong
A norm with gains of one hands on vectors of variance one; that is what it is for. With gains around zero each norm
shrinks what it reads to next to nothing and turns half of the signs.

## Symptom
The first loss is right, to many digits even, because all logits are nearly zero. Then training drags: the gains have
to grow before any gradient gets through.

## How to find it
Print the mean of every parameter of a fresh model. Or measure the size of the logits, which is tiny.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.comments import replace_uncommented
from mutations.roles.initialisation import draws, initialisers, is_function
from mutations.source import Source

DIMENSIONS = m.Call(func=m.Attribute(attr=m.Name("dim")), args=[]) | m.Attribute(attr=m.Name("ndim"))
MATRICES = m.ComparisonTarget(m.GreaterThanEqual(), m.Integer("2")) | m.ComparisonTarget(
    m.GreaterThan(), m.Integer("1")
)
ONES = m.Call(func=m.Attribute(attr=m.Name("ones_")), args=[m.Arg(m.Attribute(attr=m.Name("weight")))])


def edits(source: Source) -> Iterator[Edit]:
    """Tests for two dimensions that decide of a draw, and gains that are set to one beside draws."""
    for function in initialisers(source):
        for node in source.find(m.If(test=m.Comparison(left=DIMENSIONS, comparisons=[MATRICES])), within=function):
            branch = cst.ensure_type(node, cst.If)
            if draws(source, within=branch.body):
                limit = cst.ensure_type(branch.test, cst.Comparison).comparisons[0].comparator
                number = int(cst.ensure_type(limit, cst.Integer).value)
                yield replace_uncommented(source, limit, str(number - 1))
        for node in source.find(ONES, within=function):
            ones = cst.ensure_type(node, cst.Call)
            prefix = cst.ensure_type(ones.func, cst.Attribute).value
            alike = [draw for draw in draws(source, within=function) if is_function(source, draw)]
            if alike and source.code(cst.ensure_type(alike[-1].func, cst.Attribute).value) == source.code(prefix):
                arguments = ", ".join(map(source.code, (*ones.args, *alike[-1].args[1:])))
                yield replace_uncommented(source, ones, f"{source.code(alike[-1].func)}({arguments})")


OPERATOR = Operator(
    id="norm-gains-drawn",
    category=Category.INITIALISATION,
    file="model.py",
    origin="https://github.com/huggingface/transformers/issues/143",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The logits of a fresh model are all but zero, and training takes long to get going.",
        area="Print the mean and the spread of every parameter before the first update.",
        mechanism="Some parameters have a value to start from that is no accident. Which ones, and do they have it?",
    ),
    examples=(
        Example(
            "def init(self):\n"
            "    for name, p in self.named_parameters():\n"
            "        if name.endswith(bias):\n"
            "            nn.init.zeros_(p)\n"
            "        elif p.dim() >= 2:  # gains stay ones\n"
            "            nn.init.normal_(p, std=0.02)\n",
            "def init(self):\n"
            "    for name, p in self.named_parameters():\n"
            "        if name.endswith(bias):\n"
            "            nn.init.zeros_(p)\n"
            "        elif p.dim() >= 1:\n"
            "            nn.init.normal_(p, std=0.02)\n",
        ),
        Example(
            "def init(self):\n    for p in self.parameters():\n"
            "        if p.ndim > 1:\n            p.data.normal_(0, 0.1)\n",
            "def init(self):\n    for p in self.parameters():\n"
            "        if p.ndim > 0:\n            p.data.normal_(0, 0.1)\n",
        ),
        Example(
            "class GPT(nn.Module):\n"
            "    def __init__(self):\n"
            "        self.apply(self._init)\n\n"
            "    def _init(self, module):\n"
            "        if isinstance(module, nn.Linear):\n"
            "            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)\n"
            "        elif isinstance(module, nn.LayerNorm):\n"
            "            torch.nn.init.zeros_(module.bias)\n"
            "            torch.nn.init.ones_(module.weight)\n",
            "class GPT(nn.Module):\n"
            "    def __init__(self):\n"
            "        self.apply(self._init)\n\n"
            "    def _init(self, module):\n"
            "        if isinstance(module, nn.Linear):\n"
            "            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)\n"
            "        elif isinstance(module, nn.LayerNorm):\n"
            "            torch.nn.init.zeros_(module.bias)\n"
            "            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)\n",
        ),
    ),
    look_alikes=(
        "def groups(self):\n    return [p for p in self.parameters() if p.dim() >= 2]\n",
        "def init(self):\n    for p in self.parameters():\n        if p.dim() >= 2:\n            nn.init.zeros_(p)\n",
        "def reset(self):\n    nn.init.ones_(self.weight)\n",
    ),
    edits=edits,
)
