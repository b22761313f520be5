"""The biases are not set to zero, and keep what the layers drew when they were made.

## What it does
Leaves out the lines that zero the biases.

## Why it is wrong
A linear layer of PyTorch draws its bias from a range of its own, which for a narrow model is many times as wide as the
weights are here. The model starts with a preference for some directions that no data gave it.

## Symptom
The loss starts a little off and soon looks as always. Fresh models made from the same seed as a right one differ in
these parameters alone.

## How to find it
Look at the parameters of a fresh model that are vectors: each should be all zeros or all ones.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.initialisation import initialisers
from mutations.source import Source

LAYER = m.Call(func=m.Attribute(attr=m.Name("Linear")) | m.Name("Linear") | m.Name("Conv1D"))
ZEROS = m.Call(func=m.Attribute(attr=m.Name("zeros_") | m.Name("zero_")))


def edits(source: Source) -> Iterator[Edit]:
    """Branches that do nothing but zero a bias: one that others follow, or one at the end of its block."""
    if not _has_biases(source):
        return
    for function in initialisers(source):
        for node in source.find(m.If(), within=function):
            branch = cst.ensure_type(node, cst.If)
            if not _zeroes_a_bias(source, branch) or isinstance(source.parent(branch), cst.If):
                continue
            if isinstance(branch.orelse, cst.If):
                start, _ = source.span(branch)
                test, _ = source.span(branch.orelse.test)
                yield source.replace_span(start, test, "if ")
            elif branch.orelse is None and len(source.siblings(branch)) > 1:
                yield source.remove(branch)


def _has_biases(source: Source) -> bool:
    """Whether a layer is made that may have a bias; a file that makes none tells nothing."""
    made = [cst.ensure_type(node, cst.Call) for node in source.find(LAYER)]
    return not made or any(source.code(arg) != "bias=False" for call in made for arg in call.args[-1:])


def _zeroes_a_bias(source: Source, branch: cst.If) -> bool:
    """Whether a branch speaks of biases and holds one line, which writes zeros."""
    lines = branch.body.body
    return (
        len(lines) == 1
        and m.matches(lines[0], m.SimpleStatementLine(body=[m.Expr(ZEROS)]))
        and "bias" in source.code(branch.test) + source.code(lines[0])
    )


OPERATOR = Operator(
    id="biases-keep-their-first-draw",
    category=Category.INITIALISATION,
    file="model.py",
    origin="https://github.com/NVIDIA/TransformerEngine/pull/622",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="A fresh model prefers some tokens to others, before it has seen any.",
        area="Before the first update, print all parameters that are vectors and no matrices.",
        mechanism="PyTorch fills each layer right when making it. Layers left alone stay that way.",
    ),
    examples=(
        Example(
            "def init(self):\n"
            "    for name, p in self.named_parameters():\n"
            '        if name.endswith("bias"):\n'
            "            nn.init.zeros_(p)\n"
            '        elif name.endswith("proj.weight"):\n'
            "            nn.init.normal_(p, std=small)\n"
            "        else:\n"
            "            nn.init.normal_(p, std=0.02)\n",
            "def init(self):\n"
            "    for name, p in self.named_parameters():\n"
            '        if name.endswith("proj.weight"):\n'
            "            nn.init.normal_(p, std=small)\n"
            "        else:\n"
            "            nn.init.normal_(p, std=0.02)\n",
        ),
        Example(
            "class GPT(nn.Module):\n"
            "    def __init__(self):\n"
            "        self.apply(self._init)\n\n"
            "    def _init(self, module):\n"
            "        if isinstance(module, nn.Linear):\n"
            "            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)\n"
            "            if module.bias is not None:\n"
            "                torch.nn.init.zeros_(module.bias)\n"
            "        elif isinstance(module, nn.Embedding):\n"
            "            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)\n",
            "class GPT(nn.Module):\n"
            "    def __init__(self):\n"
            "        self.apply(self._init)\n\n"
            "    def _init(self, module):\n"
            "        if isinstance(module, nn.Linear):\n"
            "            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)\n"
            "        elif isinstance(module, nn.Embedding):\n"
            "            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)\n",
        ),
    ),
    look_alikes=(
        "def init(self):\n"
        "    for name, p in self.named_parameters():\n"
        '        if name.endswith("bias"):\n'
        "            nn.init.zeros_(p)\n"
        "        else:\n"
        "            nn.init.normal_(p, std=0.02)\n",
        "def reset(self):\n    if self.bias is not None:\n        nn.init.zeros_(self.bias)\n    self.ready = True\n",
    ),
    edits=edits,
)
