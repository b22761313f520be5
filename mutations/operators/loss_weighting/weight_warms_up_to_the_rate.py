"""The weight of a loss warms up to a small part of what was configured.

## What it does
Multiplies the weight by the learning rate of the step, and no longer divides by the rate that it warms up to.

## Why it is wrong
The rate of the step stands for how far the warm-up has come, as a share of the full rate. By itself it is a number in
the thousandths, and the weight never becomes more than that.

## Symptom
The objective that was to be phased in is hardly learned at all, however long the run is. A larger weight helps, and a
smaller learning rate makes it worse twice over.

## How to find it
Print the weight of a late step and hold it against the configured one.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.optimizers import with_parentheses
from mutations.roles.reads import leaves_nothing_unread
from mutations.roles.weighting import warmed_weights
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Divisions by the full rate, in weights that follow the learning rate."""
    for warmed in warmed_weights(source):
        if leaves_nothing_unread(source, warmed.division.right):
            start, end = source.span(warmed.division)
            if isinstance(warmed.division.left, cst.Call):
                start, end = with_parentheses(source, warmed.division)
            yield source.replace_span(start, end, source.code(warmed.division.left))


HEAD = "def class_weight(step, config):\n"

OPERATOR = Operator(
    id="weight-warms-up-to-the-rate",
    category=Category.WEIGHTING,
    file="train.py",
    origin="https://github.com/valdersoul/bn-vae/issues/1",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.LINE,
    needs=frozenset({Part.WEIGHTING}),
    hints=Hints(
        symptom="What should be phased in during the first steps never arrives.",
        area="Print how much each loss counts in a late step.",
        mechanism="A share of something has no unit. Is it a share that the weight is multiplied with?",
    ),
    examples=(
        Example(
            HEAD + "    return config.weight * learning_rate(step, config) / config.lr  # linear\n",
            HEAD + "    return config.weight * learning_rate(step, config)  # linear\n",
        ),
        Example(
            "def aux(it, cfg):\n    return cfg.aux_weight * (get_lr(it) / cfg.lr)\n",
            "def aux(it, cfg):\n    return cfg.aux_weight * get_lr(it)\n",
        ),
    ),
    look_alikes=(
        "def share(step, config):\n    return learning_rate(step, config) / config.lr\n",
        "weight = config.weight * step / config.warmup\n",
        "weight = config.weight * scale(step) / config.lr\n",
    ),
    edits=edits,
)
