"""Gradients are clipped while they are still multiplied by the scaler's factor.

## What it does
Removes the line that takes the factor out of the gradients before they are clipped. The step does it, too late.

## Why it is wrong
The limit was chosen for gradients as they are. Thousands of times as long, nearly all are cut to it, and divided by the
factor afterwards: every step is a tiny one in the right direction.

## Symptom
In half precision training crawls. In full precision, where the factor is 1, all is well.

## How to find it
With a factor other than 1 and a limit above the true norm, the gradient at the step must be the one without a clip.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import CLIP, statement
from mutations.source import Source

UNSCALE = m.Call(func=m.Attribute(attr=m.Name("unscale_")), args=[m.Arg()])


def edits(source: Source) -> Iterator[Edit]:
    """Lines that unscale the gradients, with the clip below them in the same block, and a scaler's step somewhere."""
    for line in source.find(statement(UNSCALE)):
        siblings = list(source.siblings(line))
        below = siblings[siblings.index(line) + 1 :]
        steps = source.find(m.Call(func=m.Attribute(attr=m.Name("step")), args=[m.Arg()]), within=source.scope(line))
        if any(source.find(CLIP, within=node) for node in below) and steps:
            yield source.remove(line)


OPERATOR = Operator(
    id="clip-before-unscale",
    category=Category.CLIPPING,
    file="train.py",
    origin="https://github.com/milesial/Pytorch-UNet/issues/468",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="In half precision training hardly moves; in full precision it is as it should be.",
        area="Measure how long the gradient is that is compared with the limit.",
        mechanism="Something multiplied the loss. Follow where it is taken back.",
    ),
    examples=(
        Example(
            "scaler.scale(loss).backward()\n"
            "scaler.unscale_(optimizer)\n"
            "clip_grad_norm_(params, 1.0)\n"
            "scaler.step(optimizer)\n",
            "scaler.scale(loss).backward()\nclip_grad_norm_(params, 1.0)\nscaler.step(optimizer)\n",
        ),
        Example(
            "def update(scaler, opt, params, clip):\n"
            "    if clip:\n"
            "        # in their own units\n"
            "        scaler.unscale_(opt)\n"
            "        norm = clip_grad_norm_(params, clip)\n"
            "    scaler.step(opt)\n",
            "def update(scaler, opt, params, clip):\n"
            "    if clip:\n"
            "        norm = clip_grad_norm_(params, clip)\n"
            "    scaler.step(opt)\n",
        ),
    ),
    look_alikes=(
        "scaler.unscale_(optimizer)\nscaler.step(optimizer)\n",
        "clip_grad_norm_(params, 1.0)\nscaler.step(optimizer)\n",
        "clip_grad_norm_(params, 1.0)\nscaler.unscale_(optimizer)\nscaler.step(optimizer)\n",
    ),
    edits=edits,
)
