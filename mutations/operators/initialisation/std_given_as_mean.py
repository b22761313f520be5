"""The standard deviation of a draw is passed where its mean belongs.

## What it does
Passes the number by position. What comes after the tensor is the mean; the standard deviation comes after that, and
is one when nothing is said.

## Why it is wrong
The weights are drawn around a fiftieth with a spread of one, where they should be drawn around zero with a spread of a
fiftieth. They are fifty times too large.

## Symptom
The first losses are far above the logarithm of the vocabulary, attention is all but a choice of one token, and
training takes long to undo it.

## How to find it
Print the mean and the standard deviation of every matrix of a fresh model. The first loss is a witness, too: a model
that knows nothing should be surprised by a token no more than by a fair die with that many sides.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.initialisation import draws, initialisers, is_function, spread
from mutations.source import Source

BY_NAME = m.If(test=m.Call(func=m.Attribute(attr=m.Name("endswith"))))


def edits(source: Source) -> Iterator[Edit]:
    """Draws of most of a model, whose spread is given by its keyword, with a mean of zero by its own or not at all."""
    for function in initialisers(source):
        by_name = [source.span(cst.ensure_type(node, cst.If).body) for node in source.find(BY_NAME, within=function)]
        for draw in draws(source, within=function):
            start, end = source.span(draw)
            std = spread(source, draw)
            tensor = draw.args[:1] if is_function(source, draw) else ()
            others = [arg for arg in draw.args if arg is not std and arg not in tensor]
            is_of_a_few = any(first <= start and end <= last for first, last in by_name)
            if std is None or std.keyword is None or is_of_a_few or not all(map(_is_zero_mean, others)):
                continue
            arguments = ", ".join([*map(source.code, tensor), source.code(std.value)])
            yield source.replace(draw, f"{source.code(draw.func)}({arguments})")


def _is_zero_mean(arg: cst.Arg) -> bool:
    is_zero = isinstance(arg.value, cst.Float | cst.Integer) and float(arg.value.value) == 0
    return is_zero and (arg.keyword is None or arg.keyword.value == "mean")


LOOP = "def init(self):\n    for name, p in self.named_parameters():\n"

OPERATOR = Operator(
    id="std-given-as-mean",
    category=Category.INITIALISATION,
    file="model.py",
    origin="https://github.com/tinygrad/tinygrad/pull/9288",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The very first loss is far higher than that of a model which knows nothing.",
        area="Print a few numbers about each matrix of a fresh model.",
        mechanism="Look up in which order a function takes what it is given, and what it takes when given nothing.",
    ),
    examples=(
        Example(
            LOOP + "        if p.dim() >= 2:\n            nn.init.normal_(p, std=scale)\n",
            LOOP + "        if p.dim() >= 2:\n            nn.init.normal_(p, scale)\n",
        ),
        Example(
            LOOP + '        if name.endswith("proj.weight"):\n            nn.init.normal_(p, std=small)\n'
            "        elif p.dim() > 1:\n            torch.nn.init.normal_(p, mean=0.0, std=0.02)  # small\n",
            LOOP + '        if name.endswith("proj.weight"):\n            nn.init.normal_(p, std=small)\n'
            "        elif p.dim() > 1:\n            torch.nn.init.normal_(p, 0.02)  # small\n",
        ),
        Example(
            "class GPT(nn.Module):\n    def __init__(self):\n        self.apply(self._init)\n\n"
            "    def _init(self, layer):\n        if isinstance(layer, nn.Linear):\n"
            "            layer.weight.data.normal_(mean=0.0, std=0.02)\n",
            "class GPT(nn.Module):\n    def __init__(self):\n        self.apply(self._init)\n\n"
            "    def _init(self, layer):\n        if isinstance(layer, nn.Linear):\n"
            "            layer.weight.data.normal_(0.02)\n",
        ),
    ),
    look_alikes=(
        LOOP + "        nn.init.normal_(p, 0.0, 0.02)\n",
        LOOP + "        nn.init.normal_(p, mean=1.0, std=0.02)\n",
        "def build_head(self):\n    nn.init.normal_(self.head.weight, std=0.02)\n",
    ),
    edits=edits,
)
