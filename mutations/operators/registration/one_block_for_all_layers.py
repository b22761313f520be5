"""Every layer of the stack is the same block.

## What it does
Fills the module list with one block as many times as there are layers, instead of with a new block for each.

## Why it is wrong
Multiplying a list copies references, not what they refer to. All layers share one set of weights: a model of twelve
layers can express no more than one that goes through a single block twelve times.

## Symptom
It runs and it learns, less than it should. The model is far smaller than its depth says; the gradients of all layers
add up in one block. With one layer nothing shows.

## How to find it
Build the model with two layers and compare the blocks: they must be two objects, with different initial weights. Or
count the parameters for one layer and for three.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import stacks
from mutations.source import Source

RANGE = m.Call(func=m.Name("range"), args=[m.Arg(m.Name() | m.Attribute(), star="")])


def edits(source: Source) -> Iterator[Edit]:
    """Module lists of one comprehension over a range, whose elements do not depend on where they stand."""
    for stack in stacks(source):
        made = stack.args[0].value
        assert isinstance(made, cst.GeneratorExp | cst.ListComp)
        loop = made.for_in
        if not m.matches(loop, m.CompFor(target=m.Name(), iter=RANGE, ifs=[], inner_for_in=None)):
            continue
        index = cst.ensure_type(loop.target, cst.Name).value
        if isinstance(made.elt, cst.Call) and not source.find(m.Name(index), within=made.elt):
            depth = source.code(cst.ensure_type(loop.iter, cst.Call).args[0])
            yield source.replace(stack, f"{source.code(stack.func)}([{source.code(made.elt)}] * {depth})")


OPERATOR = Operator(
    id="one-block-for-all-layers",
    category=Category.REGISTRATION,
    file="model.py",
    origin="https://github.com/zalandoresearch/pytorch-vq-vae/issues/2",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="More layers make the model slower and hardly better, and a saved file no larger.",
        area="Take two layers and compare their weights, before training and after.",
        mechanism="Two places may hold a single thing. Count how often the constructor of a layer runs.",
    ),
    examples=(
        Example(
            "self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))\n",
            "self.blocks = nn.ModuleList([Block(config)] * config.n_layer)\n",
        ),
        Example(
            "h = nn.ModuleList([Layer(C, heads=n_head) for _ in range(depth)])  # the stack\n",
            "h = nn.ModuleList([Layer(C, heads=n_head)] * depth)  # the stack\n",
        ),
        Example(
            "t = nn.ModuleDict(dict(h=nn.ModuleList([Block(config) for i in range(config.n_layer)])))\n",
            "t = nn.ModuleDict(dict(h=nn.ModuleList([Block(config)] * config.n_layer)))\n",
        ),
    ),
    look_alikes=(
        "self.h = nn.ModuleList([Block(config, layer) for layer in range(config.n_layer)])\n",
        "self.h = nn.ModuleList(Block(size) for size in sizes)\n",
        "self.h = nn.ModuleList(blocks[i] for i in range(n_layer))\n",
    ),
    edits=edits,
)
