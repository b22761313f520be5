"""The warm-up of a loss's weight is a step behind, and starts at zero.

## What it does
Asks the schedule for the step before.

## Why it is wrong
Steps are counted from zero, and a schedule that already moves in the first step is now asked for one before it. The
first batch says nothing to the objective that warms up, and the full weight comes one step late.

## Symptom
Next to none in a long run. Code that takes a weight of zero to mean that there is no such loss breaks in the first
step, or records nothing for it.

## How to find it
Ask for the weight of the first step: it has to be above zero.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.weighting import warmed_weights
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The step that a schedule is asked for, in weights that follow the learning rate."""
    for warmed in warmed_weights(source):
        step = warmed.rate.args[0].value
        if isinstance(step, cst.Name):
            yield source.replace(step, f"{step.value} - 1")


HEAD = "def class_weight(step, config):\n"

OPERATOR = Operator(
    id="weight-warms-up-from-zero",
    category=Category.WEIGHTING,
    file="train.py",
    origin="https://github.com/EleutherAI/gpt-neox/issues/1373",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.WEIGHTING}),
    hints=Hints(
        symptom="In the very first update one of the losses counts for nothing.",
        area="Print how much each loss counts, from the first update to the end of the warm-up.",
        mechanism="Some code counts from zero. Does the schedule, and does its caller?",
    ),
    examples=(
        Example(
            HEAD + "    return config.weight * learning_rate(step, config) / config.lr  # linear\n",
            HEAD + "    return config.weight * learning_rate(step - 1, config) / config.lr  # linear\n",
        ),
        Example(
            "def aux(it, cfg):\n    return cfg.aux_weight * (get_lr(it) / cfg.lr)\n",
            "def aux(it, cfg):\n    return cfg.aux_weight * (get_lr(it - 1) / cfg.lr)\n",
        ),
    ),
    look_alikes=(
        "def share(step, config):\n    return learning_rate(step, config) / config.lr\n",
        "weight = config.weight * step / config.warmup\n",
        "weight = config.weight * learning_rate(step + 1, config) / config.lr\n",
    ),
    edits=edits,
)
