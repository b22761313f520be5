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

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.initialisation import draws, is_function, spread
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Draws whose standard deviation is given by its keyword, with a mean of zero by its own or not at all."""
    for draw in draws(source):
        std = spread(source, draw)
        tensor = draw.args[:1] if is_function(source, draw) else ()
        others = [arg for arg in draw.args if arg is not std and arg not in tensor]
        if std is None or std.keyword is None or not all(_is_zero_mean(arg) for arg in others):
            continue
        arguments = ", ".join([*map(source.code, tensor), source.code(std.value)])
        yield source.replace(draw, f"{source.code(draw.func)}({arguments})")


def _is_zero_mean(arg: cst.Arg) -> bool:
    is_zero = isinstance(arg.value, cst.Float | cst.Integer) and float(arg.value.value) == 0
    return is_zero and (arg.keyword is None or arg.keyword.value == "mean")


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
        Example("nn.init.normal_(parameter, std=scale)\n", "nn.init.normal_(parameter, scale)\n"),
        Example(
            "torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)  # small\n",
            "torch.nn.init.normal_(module.weight, 0.02)  # small\n",
        ),
        Example("layer.weight.data.normal_(mean=0.0, std=0.02)\n", "layer.weight.data.normal_(0.02)\n"),
    ),
    look_alikes=(
        "nn.init.normal_(parameter, 0.0, 0.02)\n",
        "nn.init.normal_(parameter, mean=1.0, std=0.02)\n",
        "nn.init.normal_(parameter)\n",
    ),
    edits=edits,
)
