"""The schedule is computed at every step, and written where it is never read.

## What it does
Writes the rate to the optimizer's defaults instead of to its groups.

## Why it is wrong
The defaults are read once, when a group is added. From then on each group keeps its own
rate, and a step asks the group.

## Symptom
The learning rate is that of the configuration from the first step to the last: no warm-up, no decay. A small model
hardly minds; a large one may diverge in its first steps.

## How to find it
Read the rate where the optimizer reads it, in its groups, at two different steps.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.optimizers import schedules
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Loops over an optimizer's groups that set the rate."""
    for schedule in schedules(source):
        target = f"{source.code(schedule.groups.value)}.defaults[{source.code(schedule.key)}]"
        yield source.replace(schedule.loop, f"{target} = {source.code(schedule.rate)}")


OPERATOR = Operator(
    id="rate-written-to-defaults",
    category=Category.LEARNING_RATE,
    file="train.py",
    origin="https://github.com/karpathy/nanoGPT/issues/425",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The schedule may say what it likes; every update is as long as every other.",
        area="Look at how the optimizer learns of the schedule, and at what an update uses.",
        mechanism="Something is written at every update. Find out who reads it, and when.",
    ),
    examples=(
        Example(
            "def update(optimizer, step):\n"
            "    for group in optimizer.param_groups:\n"
            '        group["lr"] = rate(step)\n'
            "    optimizer.step()\n",
            'def update(optimizer, step):\n    optimizer.defaults["lr"] = rate(step)\n    optimizer.step()\n',
        ),
        Example(
            "lr = get_lr(it) if decay_lr else learning_rate\n"
            "for param_group in self.opt.param_groups:\n"
            "    param_group['lr'] = lr  # from now on\n",
            "lr = get_lr(it) if decay_lr else learning_rate\nself.opt.defaults['lr'] = lr  # from now on\n",
        ),
    ),
    look_alikes=(
        "for group in optimizer.param_groups:\n    group['lr'] = group['initial_lr'] * factor\n",
        "for group in optimizer.param_groups:\n    group['weight_decay'] = decay\n",
        "for group in groups:\n    group['lr'] = lr\n",
    ),
    edits=edits,
)
