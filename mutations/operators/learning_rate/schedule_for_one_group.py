"""Only the first group of parameters follows the schedule.

## What it does
Writes the rate to one group of the optimizer instead of to all of them.

## Why it is wrong
Each group has a rate of its own. Those that are not written to keep the rate the optimizer was made with, so that they
skip the warm-up and whatever else the schedule has in mind.

## Symptom
Hardly any: the biases and gains make steps of full length from the start. An optimizer with a single group behaves.

## How to find it
After a step early in the warm-up, print the rate of every group: they must be equal.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.optimizers import schedules
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Loops over an optimizer's groups that set the rate."""
    for schedule in schedules(source):
        target = f"{source.code(schedule.groups)}[0][{source.code(schedule.key)}]"
        yield source.replace(schedule.loop, f"{target} = {source.code(schedule.rate)}")


OPERATOR = Operator(
    id="schedule-for-one-group",
    category=Category.LEARNING_RATE,
    file="train.py",
    origin="https://github.com/rasbt/LLMs-from-scratch/issues/692",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Biases and gains move too far at first; matrices move as they should.",
        area="After the first update, print what the optimizer holds on every kind of parameter.",
        mechanism="Several places keep a rate. How many of them are written to?",
    ),
    examples=(
        Example(
            "def update(optimizer, step):\n"
            "    for group in optimizer.param_groups:\n"
            '        group["lr"] = rate(step)\n'
            "    optimizer.step()\n",
            'def update(optimizer, step):\n    optimizer.param_groups[0]["lr"] = rate(step)\n    optimizer.step()\n',
        ),
        Example(
            "lr = get_lr(it) if decay_lr else learning_rate\n"
            "for param_group in self.opt.param_groups:\n"
            "    param_group['lr'] = lr  # each\n",
            "lr = get_lr(it) if decay_lr else learning_rate\nself.opt.param_groups[0]['lr'] = lr  # each\n",
        ),
    ),
    look_alikes=(
        "for group in optimizer.param_groups:\n    group['lr'] = group['initial_lr'] * factor\n",
        "for group in optimizer.param_groups:\n    group['weight_decay'] = decay\n",
        "for group in optimizer.param_groups:\n    log(group)\n    group['lr'] = lr\n",
    ),
    edits=edits,
)
