"""The learning rate goes on rising when the warm-up is over.

## What it does
Removes the upper bound on how far the warm-up has come.

## Why it is wrong
The line that leads up to the full rate leads on beyond it. After ten times the warm-up the rate is ten times what was
asked for.

## Symptom
The first steps are right. Later the loss becomes restless and climbs; the longer the run, the worse. A run that is no
longer than its warm-up shows nothing.

## How to find it
Ask the schedule for a step far beyond the warm-up: it must give the configured rate.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.optimizers import warm_ups
from mutations.source import Source

ONE = m.Arg(value=m.Integer("1") | m.Float("1.0"))


def edits(source: Source) -> Iterator[Edit]:
    """`min(1.0, ...)` around a fraction of the warm-up; brackets stay where the fraction needs them."""
    for fraction in warm_ups(source):
        bounded = source.parent(source.parent(fraction))
        bound = m.Call(func=m.Name("min"), args=[ONE, m.Arg()]) | m.Call(func=m.Name("min"), args=[m.Arg(), ONE])
        if not m.matches(bounded, bound):
            continue
        around, text = source.parent(bounded), source.code(fraction)
        bare = isinstance(around, cst.Return | cst.Assign | cst.Arg)
        if isinstance(around, cst.BinaryOperation) and isinstance(around.operator, cst.Multiply):
            bare = around.right is bounded
        yield source.replace(bounded, text if bare else f"({text})")


OPERATOR = Operator(
    id="warm-up-never-ends",
    category=Category.LEARNING_RATE,
    file="train.py",
    origin="https://github.com/facebookresearch/ParlAI/pull/4384",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FAR,
    hints=Hints(
        symptom="All is well at first. Later the loss becomes restless, and the longer the run the worse it gets.",
        area="Print the rate of a late update, and hold it against the one that was configured.",
        mechanism="A straight line has no end of its own. What should have stopped it?",
    ),
    examples=(
        Example(
            "def rate(step, config):\n    return config.lr * min(1.0, (step + 1) / max(1, config.warmup))\n",
            "def rate(step, config):\n    return config.lr * (step + 1) / max(1, config.warmup)\n",
        ),
        Example(
            "def factor(i):\n    return min((i + 1) / warmup_iters, 1)  # linear\n",
            "def factor(i):\n    return (i + 1) / warmup_iters  # linear\n",
        ),
        Example(
            "def get_lr(it, lr):\n    return min(it / warmup, 1.0) * lr\n",
            "def get_lr(it, lr):\n    return (it / warmup) * lr\n",
        ),
    ),
    look_alikes=(
        "def rate(step, config):\n    return config.lr * min(0.5, step / config.warmup)\n",
        "def rate(step, config):\n    return config.lr * max(1.0, step / config.warmup)\n",
        "def rate(step, config):\n    return config.lr * min(1.0, step / config.steps)\n",
    ),
    edits=edits,
)
