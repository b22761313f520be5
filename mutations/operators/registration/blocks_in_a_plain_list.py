"""The blocks are kept in a plain list, where the model does not know of them.

## What it does
Makes the stack of blocks a Python list instead of a module list.

## Why it is wrong
A module registers what it is given as an attribute: parameters, modules, containers of modules. A list is none of
these. The blocks still run, but their parameters are no parameters of the model: they are not initialised with the
others, not given to the optimizer, not saved, and not moved to another device.

## Symptom
The loss falls, since the embeddings and the head learn what they can, and stops far too high. The model has fewer
parameters than its sizes allow, and their number does not depend on its depth.

## How to find it
Count the parameters with one block and with two. Or look, after one update, for weights that did not move.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import stacks
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Module lists that an attribute of self is assigned, each made of one comprehension."""
    to_self = m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))])
    for call in stacks(source):
        if isinstance(call.func, cst.Attribute) and m.matches(source.parent(call), to_self):
            made = source.code(call.args[0])
            yield source.replace(call, made if isinstance(call.args[0].value, cst.ListComp) else f"[{made}]")


OPERATOR = Operator(
    id="blocks-in-a-plain-list",
    category=Category.REGISTRATION,
    file="model.py",
    origin="https://github.com/maruya24/pytorch_robotics_transformer/issues/3",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The model learns a little and then no more, however deep it is built.",
        area="Count what the optimizer is given, for one block and for five.",
        mechanism="A module only knows of parts that it keeps in one of the ways that PyTorch recognises.",
    ),
    examples=(
        Example(
            "self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))  # first to last\n",
            "self.blocks = [Block(config) for _ in range(config.n_layer)]  # first to last\n",
        ),
        Example(
            "self.h = torch.nn.ModuleList([Layer(n_embd, i) for i in range(depth)])\n",
            "self.h = [Layer(n_embd, i) for i in range(depth)]\n",
        ),
        Example(
            "self.h = nn.ModuleList(\n    [\n        Block(config)\n        for _ in range(config.n_layer)\n    ]\n)\n",
            "self.h = [\n        Block(config)\n        for _ in range(config.n_layer)\n    ]\n",
        ),
    ),
    look_alikes=(
        "self.t = nn.ModuleDict(dict(h=nn.ModuleList([Block(config) for _ in range(config.n_layer)])))\n",
        "self.h = nn.ModuleList(blocks)\n",
        "self.h = nn.Sequential(*[Block(config) for _ in range(config.n_layer)])\n",
    ),
    edits=edits,
)
