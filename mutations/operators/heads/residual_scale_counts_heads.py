"""The residual maps start smaller the more heads there are.

## What it does
Counts every head as an addition to the stream, where each attention adds once.

## Why it is wrong
Heads share one output map, and what they found is added to the stream together. The scale is there to undo the number
of additions, which grows with depth alone; a model of eight heads starts with maps that are too small by the root of
eight.

## Symptom
None that a loss would show, and none with one head. Two models that differ in their heads alone start from different
weights, though they were given the same seed.

## How to find it
Build a model twice from one seed, with one head and with several. Their parameters have the same shapes, and should
have the same bits.
"""

import re
from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.source import Source

HEADS = re.compile(r"(n|num)_(\w+_)?heads?")
CONFIGS = ("config", "cfg", "args", "params", "hparams")
KEYS = re.compile(r"kv|key|group")
LAYERS = re.compile(r"(n|num)_(\w+_)?layers?")


def edits(source: Source) -> Iterator[Edit]:
    """Roots of a product with the layers that a configuration counts, where it counts heads too."""
    product = m.BinaryOperation(operator=m.Multiply())
    root = m.Call(func=m.Attribute(attr=m.Name("sqrt")), args=[m.Arg(product)])
    for node in source.find(root):
        counted = cst.ensure_type(cst.ensure_type(node, cst.Call).args[0].value, cst.BinaryOperation)
        for factor in (counted.left, counted.right):
            if isinstance(factor, cst.Attribute) and LAYERS.fullmatch(factor.attr.value):
                heads = _name_of_heads(source, factor)
                if heads is not None:
                    yield source.replace_within(
                        node, counted, f"{source.code(counted)} * {source.code(factor.value)}.{heads}"
                    )


def _name_of_heads(source: Source, layers: cst.Attribute) -> str | None:
    """What the field is called that counts heads, in the configuration that counts these layers.

    It is read from a configuration too, or declared in the same class; heads of keys may be declared, and be None.
    """
    read = [cst.ensure_type(node, cst.Attribute) for node in source.find(m.Attribute())]
    fields = [each.attr.value for each in read if _is_same(source, each.value, layers.value)]
    for node in source.find(m.ClassDef()):
        declared = [
            cst.ensure_type(cst.ensure_type(field, cst.AnnAssign).target, cst.Name).value
            for field in source.find(m.AnnAssign(target=m.Name()), within=node)
        ]
        if layers.attr.value in declared:
            fields += declared
    return next((field for field in fields if HEADS.fullmatch(field) and not KEYS.search(field)), None)


def _is_same(source: Source, one: cst.BaseExpression, other: cst.BaseExpression) -> bool:
    """Whether two expressions stand for the same configuration, which has other names in other functions."""
    names = [source.code(each).split(".")[-1] for each in (one, other)]
    return names[0] == names[1] or all(name in CONFIGS for name in names)


CUT = "def cut(self, x, config):\n    return x.view(B, T, config.{0}, D).transpose(1, 2)\n\n\n"

OPERATOR = Operator(
    id="residual-scale-counts-heads",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/clankur/einygpt/pull/3",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="The same seed gives other weights as soon as attention is divided otherwise.",
        area="Compare two fresh models, parameter by parameter: which of them differ, and by what factor?",
        mechanism="Something is divided by the root of how often the stream is added to. Count that on paper.",
    ),
    examples=(
        Example(
            CUT.format("n_head") + "residual_std = std / math.sqrt(2 * self.config.n_layer)  # two a block\n",
            CUT.format("n_head")
            + "residual_std = std / math.sqrt(2 * self.config.n_layer * self.config.n_head)  # two a block\n",
        ),
        Example(
            CUT.format("num_heads") + "nn.init.normal_(p, mean=0.0, std=0.02/math.sqrt(2 * cfg.num_layers))\n",
            CUT.format("num_heads")
            + "nn.init.normal_(p, mean=0.0, std=0.02/math.sqrt(2 * cfg.num_layers * cfg.num_heads))\n",
        ),
    ),
    look_alikes=(
        "residual_std = std / math.sqrt(2 * self.config.n_layer)\n",
        CUT.format("n_head") + "scale = 1 / math.sqrt(2 * config.n_embd)\n",
        CUT.format("n_kv_heads") + "std = 0.02 / math.sqrt(2 * config.n_layer)\n",
        "def cut(self, x):\n    return x.view(B, T, self.num_heads, D)\n\n\n"
        "std = 0.02 / math.sqrt(2 * config.n_layer)\n",
        CUT.format("n_head") + "std = 0.02 / math.sqrt(config.n_layer)\n",
    ),
    edits=edits,
)
