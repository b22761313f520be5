"""Weight decay pulls at biases and gains, and leaves the matrices alone.

## What it does
Exchanges the decay of the two groups of parameters.

## Why it is wrong
What decay is for, keeping large matrices small, is not done; and the few parameters that should be free of it are
pulled towards zero.

## Symptom
It trains as well as ever on a small task. Over a long run the matrices grow and the gains shrink.

## How to find it
Make one update with all gradients zero and see which parameters move: they must be those of two dimensions or more.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.optimizers import decay_groups
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """From the decay of the first group to that of the second."""
    for first, second in decay_groups(source):
        (start, first_end), (second_start, end) = source.span(first.decay), source.span(second.decay)
        between = source.code_between(first_end, second_start)
        yield source.replace_span(start, end, source.code(second.decay) + between + source.code(first.decay))


OPERATOR = Operator(
    id="decay-groups-swapped",
    category=Category.OPTIMIZER,
    file="train.py",
    origin="https://github.com/facebookresearch/BalancingGroups/issues/6",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="It trains. Over a long run the matrices of the model grow, and nothing holds them back.",
        area="Look at which settings the optimizer has for each parameter.",
        mechanism="Make one update with every gradient zero. Which parameters should still move, and which do?",
    ),
    examples=(
        Example(
            "groups = [\n"
            '    {"params": matrices, "weight_decay": config.weight_decay},  # two dimensions\n'
            '    {"params": vectors, "weight_decay": 0.0},\n'
            "]\n",
            "groups = [\n"
            '    {"params": matrices, "weight_decay": 0.0},  # two dimensions\n'
            '    {"params": vectors, "weight_decay": config.weight_decay},\n'
            "]\n",
        ),
        Example(
            "opt = AdamW([{'weight_decay': 0, 'params': b}, {'weight_decay': wd, 'params': w}], lr=lr)\n",
            "opt = AdamW([{'weight_decay': wd, 'params': b}, {'weight_decay': 0, 'params': w}], lr=lr)\n",
        ),
    ),
    look_alikes=(
        'groups = [{"params": a, "weight_decay": 0.1}, {"params": b, "weight_decay": 0.1}]\n',
        'groups = [{"params": a, "weight_decay": 0.1}, {"params": b}]\n',
        'group = {"params": a, "weight_decay": 0.1}\n',
    ),
    edits=edits,
)
