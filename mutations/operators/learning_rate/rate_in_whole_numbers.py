"""The warm-up is reckoned in whole numbers: no rate at all, and then the full one.

## What it does
Divides the steps made by the length of the warm-up, and drops the remainder.

## Why it is wrong
A fraction below one becomes zero. What should rise in a straight line stays on the ground until the warm-up is over.

## Symptom
The loss does not move for as many steps as the warm-up has. What comes after depends on the schedule, but begins with a
jump. With a warm-up of one step there is no difference.

## How to find it
Plot the learning rate over the first steps, or print it: a line that rises has no two equal values.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.optimizers import warm_ups
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The division by the length of the warm-up."""
    for fraction in warm_ups(source):
        (_, start), (end, _) = source.span(fraction.left), source.span(fraction.right)
        between = source.code_between(start, end)
        if "#" not in between:
            yield source.replace_span(start, end, between.replace("/", "//"))


OPERATOR = Operator(
    id="rate-in-whole-numbers",
    category=Category.LEARNING_RATE,
    file="train.py",
    origin="https://github.com/facebookresearch/maskrcnn-benchmark/issues/335",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FAR,
    hints=Hints(
        symptom="For a good number of updates the loss does not move at all; then the model wakes with a jerk.",
        area="Print the rate of the first dozen updates.",
        mechanism="What should lie between nought and one never does. Which operation leaves nothing in between?",
    ),
    examples=(
        Example(
            "def rate(step, config):\n    return config.lr * min(1.0, (step + 1) / max(1, config.warmup))\n",
            "def rate(step, config):\n    return config.lr * min(1.0, (step + 1) // max(1, config.warmup))\n",
        ),
        Example(
            "def get_lr(it):\n    if it < warmup_iters:\n        return learning_rate * it / warmup_iters  # lr/it\n",
            "def get_lr(it):\n    if it < warmup_iters:\n        return learning_rate * it // warmup_iters  # lr/it\n",
        ),
    ),
    look_alikes=(
        "def rate(step, config):\n    return config.lr * step / config.steps\n",
        "def rate(step, config):\n    return config.lr * (step // config.warmup)\n",
        "def rate(step, warmup, end):\n    return (step - warmup) / (end - warmup)\n",
    ),
    edits=edits,
)
