"""Attention takes the number of layers for the number of heads.

## What it does
Reads the wrong field of the configuration. Both are small whole numbers, and any number of heads that divides the width
makes a working model.

## Why it is wrong
The model has another number of heads than it says it has, each with another width. Weights trained with the right
number do not mean the same thing here, though every shape fits.

## Symptom
A model trained from nothing is about as good as before. One loaded from a checkpoint talks nonsense, without a warning.
Where layers and heads are equal in number nothing shows; where the width is no multiple of the layers it raises.

## How to find it
Change the number of heads and nothing else: the logits must change. Change the number of layers: the cached keys must
keep their shape.
"""

import re
from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.heads import has_heads
from mutations.source import Source

HEADS = re.compile(r"(n|num)_(\w+_)?heads?")
LAYERS = re.compile(r"(n|num)_(\w+_)?layers?")


def edits(source: Source) -> Iterator[Edit]:
    """Where a class that cuts heads takes their number from a configuration that counts layers too."""
    for node in source.find(
        m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))], value=m.Attribute(value=m.Name()))
    ):
        field = cst.ensure_type(cst.ensure_type(node, cst.Assign).value, cst.Attribute)
        layers = _layers_of(source, field.value)
        if HEADS.fullmatch(field.attr.value) and layers is not None and has_heads(source, node):
            yield source.replace_within(node, field.attr, layers)


def _layers_of(source: Source, config: cst.BaseExpression) -> str | None:
    """The field in which that object, or one of the same name elsewhere in the package, counts its layers."""
    nodes = [node for here in (source, *source.beside) for node in here.find(m.Attribute())]
    fields = [cst.ensure_type(node, cst.Attribute) for node in nodes]
    of_config = (field for field in fields if config.deep_equals(field.value))
    return next((field.attr.value for field in of_config if LAYERS.fullmatch(field.attr.value)), None)


SPLIT = """\

    def cut(self, x):
        return x.view(B, T, self.{0}, D).transpose(1, 2)


class GPT(nn.Module):
    def __init__(self, config):
        self.blocks = nn.ModuleList(Attention(config) for _ in range(config.{1}))
"""
INIT = "class Attention(nn.Module):\n    def __init__(self, config):\n"

OPERATOR = Operator(
    id="heads-counted-as-layers",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/SKT-AI/KoGPT2/pull/20",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="A model trained here is fine; weights that were trained elsewhere load, and make no sense.",
        area="Compare the shape of what attention works on with what the configuration asks for.",
        mechanism="Build two models that differ in one size only, and see which sizes attention listens to.",
    ),
    examples=(
        Example(
            INIT + "        self.n_head = config.n_head\n" + SPLIT.format("n_head", "n_layer"),
            INIT + "        self.n_head = config.n_layer\n" + SPLIT.format("n_head", "n_layer"),
        ),
        Example(
            INIT
            + "        self.heads = config.num_attention_heads  # H\n"
            + SPLIT.format("heads", "num_hidden_layers"),
            INIT + "        self.heads = config.num_hidden_layers  # H\n" + SPLIT.format("heads", "num_hidden_layers"),
        ),
        Example(
            INIT.replace("config", "cfg")
            + "        self.n_heads = cfg.n_heads\n"
            + SPLIT.format("n_heads", "n_layers").replace("config", "cfg"),
            INIT.replace("config", "cfg")
            + "        self.n_heads = cfg.n_layers\n"
            + SPLIT.format("n_heads", "n_layers").replace("config", "cfg"),
        ),
    ),
    look_alikes=(
        INIT + "        self.n_head = config.n_head\n" + SPLIT.format("n_head", "depth"),
        INIT + "        self.lm_head = config.lm_head\n" + SPLIT.format("n_head", "n_layer"),
        INIT + "        self.n_head = config.n_head\n        self.blocks = range(config.n_layer)\n",
    ),
    edits=edits,
)
