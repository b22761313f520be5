"""The maps that write to the residual stream are initialised like all others.

## What it does
Compares the whole name of a parameter with its last part, instead of looking at how the name ends.

## Why it is wrong
A parameter's name holds the way to it, the number of its block and the names of its modules. It is never equal to its
own end, so the branch that draws smaller weights for these maps is never taken.

## Symptom
Nothing that one would notice with two layers. With many, the stream is too large at the start: each block adds to it
at full size.

## How to find it
Measure the standard deviation of each matrix of a fresh model: for those that write to the stream it must be smaller,
the smaller the deeper the model. A branch that is never taken can also be found by counting how often it is.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.initialisation import draws, initialisers
from mutations.source import Source

ENDS_WITH = m.Call(func=m.Attribute(value=m.Name(), attr=m.Name("endswith")), args=[m.Arg(m.SimpleString())])


def edits(source: Source) -> Iterator[Edit]:
    """Tests of how a name ends that stand alone, and decide of a draw."""
    constructors_and_initialisers = initialisers(source)
    for node in source.find(m.If(test=ENDS_WITH)):
        branch = cst.ensure_type(node, cst.If)
        if draws(source, within=branch.body) and source.scope(branch) in constructors_and_initialisers:
            test = cst.ensure_type(branch.test, cst.Call)
            name = cst.ensure_type(test.func, cst.Attribute).value
            yield source.replace(test, f"{source.code(name)} == {source.code(test.args[0])}")


OPERATOR = Operator(
    id="residual-scale-never-applied",
    category=Category.INITIALISATION,
    file="model.py",
    origin="https://github.com/huggingface/transformers/issues/47458",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="A shallow model trains as it should; in a deep one the stream is too large from the start.",
        area="Measure the spread of each matrix of a fresh model, and sort the matrices by it.",
        mechanism="Print each name that is tested, and count how often each test succeeds.",
    ),
    examples=(
        Example(
            "def init(self):\n"
            "    for name, p in self.named_parameters():\n"
            '        if name.endswith("bias"):\n'
            "            nn.init.zeros_(p)\n"
            '        elif name.endswith("proj.weight"):\n'
            "            nn.init.normal_(p, std=small)\n",
            "def init(self):\n"
            "    for name, p in self.named_parameters():\n"
            '        if name.endswith("bias"):\n'
            "            nn.init.zeros_(p)\n"
            '        elif name == "proj.weight":\n'
            "            nn.init.normal_(p, std=small)\n",
        ),
        Example(
            "class GPT(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        self.apply(self._init_weights)\n"
            "        for pn, p in self.named_parameters():\n"
            "            if pn.endswith('c_proj.weight'):\n"
            "                torch.nn.init.normal_(p, mean=0.0, std=0.02/math.sqrt(2 * config.n_layer))\n",
            "class GPT(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        self.apply(self._init_weights)\n"
            "        for pn, p in self.named_parameters():\n"
            "            if pn == 'c_proj.weight':\n"
            "                torch.nn.init.normal_(p, mean=0.0, std=0.02/math.sqrt(2 * config.n_layer))\n",
        ),
    ),
    look_alikes=(
        "def init(self):\n"
        "    for name, p in self.named_parameters():\n"
        '        if name.endswith("bias"):\n'
        "            nn.init.zeros_(p)\n"
        "        else:\n"
        "            nn.init.normal_(p, std=0.02)\n",
        "def load(self, keys):\n"
        "    for key in keys:\n"
        '        if key.endswith("c_proj.weight"):\n'
        "            self.tensors[key].normal_()\n",
    ),
    edits=edits,
)
