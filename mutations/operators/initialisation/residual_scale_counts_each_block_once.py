"""The residual maps are scaled as if each block added to the stream once.

## What it does
Takes the factor of two out of the number of additions that the scale is computed from.

## Why it is wrong
Every block adds twice, once for attention and once for its MLP. The sum of so many independent terms keeps its size
only if each is divided by the root of how many there are.

## Symptom
None that a loss would show. These matrices start larger than they should, by the root of two, whatever the depth.

## How to find it
Measure the standard deviation of these matrices in a fresh model, for two depths, and compare both with the paper's
rule. A ratio of 1.41 is hard to see by eye and easy to compute.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.comments import replace_uncommented
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Twice a number of layers, of which a root is taken."""
    for node in source.find(m.BinaryOperation(operator=m.Multiply())):
        product = cst.ensure_type(node, cst.BinaryOperation)
        factors = (product.left, product.right)
        layers = [other for two, other in (factors, factors[::-1]) if m.matches(two, m.Integer("2"))]
        if len(layers) != 1 or "layer" not in source.code(layers[0]).lower():
            continue
        parent = source.parent(product)
        if isinstance(parent, cst.Arg) and m.matches(source.parent(parent), m.Call(m.Attribute(attr=m.Name("sqrt")))):
            yield replace_uncommented(source, product, source.code(layers[0]))
        elif isinstance(parent, cst.BinaryOperation) and isinstance(parent.operator, cst.Power):
            yield replace_uncommented(source, parent, f"{source.code(layers[0])} ** {source.code(parent.right)}")


OPERATOR = Operator(
    id="residual-scale-counts-each-block-once",
    category=Category.INITIALISATION,
    file="model.py",
    origin="https://github.com/karpathy/minGPT/issues/134",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="Some matrices of a fresh model have too large a spread, by the same factor at every depth.",
        area="Compare the spread of the maps that write to the stream with the rule in the GPT paper.",
        mechanism="Count how often a token's vector is added to on its way through the model.",
    ),
    examples=(
        Example(
            "residual_std = std / math.sqrt(2 * self.config.n_layer)  # attention and MLP\n",
            "residual_std = std / math.sqrt(self.config.n_layer)\n",
        ),
        Example(
            "nn.init.normal_(p, mean=0.0, std=0.02/math.sqrt(2 * config.n_layer))\n",
            "nn.init.normal_(p, mean=0.0, std=0.02/math.sqrt(config.n_layer))\n",
        ),
        Example("std *= (2 * self.config.n_layer) ** -0.5\n", "std *= self.config.n_layer ** -0.5\n"),
        Example("scale = 1 / np.sqrt(num_layers * 2)\n", "scale = 1 / np.sqrt(num_layers)\n"),
    ),
    look_alikes=(
        "half = 2 * config.n_layer\n",
        "scale = 1 / math.sqrt(2 * config.n_embd)\n",
        "std = 0.02 / math.sqrt(config.n_layer)\n",
    ),
    edits=edits,
)
