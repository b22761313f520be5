"""Warm-up begins at a rate of zero, and the first step does nothing.

## What it does
Counts the warm-up from step 0 instead of step 1.

## Why it is wrong
A step at rate zero computes a gradient and throws it away; the first batch is wasted. Every later step of the warm-up
is one behind, and the full rate comes a step late.

## Symptom
The first two losses differ only as their batches differ. In a run of a single step nothing is trained.

## How to find it
Ask the schedule for its very first value: it must be positive. Then for the last step of the warm-up: it must be the
full rate.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.optimizers import warm_ups, with_parentheses
from mutations.source import Source

COUNTED_FROM_ONE = m.BinaryOperation(left=m.Name(), operator=m.Add(), right=m.Integer("1"))


def edits(source: Source) -> Iterator[Edit]:
    """`step + 1` over the length of the warm-up."""
    for fraction in warm_ups(source):
        for node in source.find(COUNTED_FROM_ONE, within=fraction.left):
            counted = cst.ensure_type(node, cst.BinaryOperation)
            yield source.replace_span(*with_parentheses(source, counted), source.code(counted.left))


OPERATOR = Operator(
    id="first-step-at-rate-zero",
    category=Category.LEARNING_RATE,
    file="train.py",
    origin="https://github.com/karpathy/nanoGPT/pull/578",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The very first update leaves the model as it was. All that follow move it.",
        area="Write down the rate of the first few updates, before you look at how it comes about.",
        mechanism="Python counts from nought. Does what counts here agree with it?",
    ),
    examples=(
        Example(
            "def rate(step, config):\n    return config.lr * min(1.0, (step + 1) / max(1, config.warmup))\n",
            "def rate(step, config):\n    return config.lr * min(1.0, step / max(1, config.warmup))\n",
        ),
        Example(
            "def get_lr(it):\n    if it < warmup_iters:\n        return max_lr * (it + 1) / warmup_iters  # linear\n",
            "def get_lr(it):\n    if it < warmup_iters:\n        return max_lr * it / warmup_iters  # linear\n",
        ),
        Example(
            "def factor(i):\n    warm = (i + 1) / N_WARM\n    return min(warm, 1)\n",
            "def factor(i):\n    warm = i / N_WARM\n    return min(warm, 1)\n",
        ),
    ),
    look_alikes=(
        "def rate(step, config):\n    return config.lr * step / config.warmup\n",
        "def rate(step, config):\n    return config.lr * (step + 1) / config.steps\n",
        "share = (step + 1) / warmup\n",
    ),
    edits=edits,
)
