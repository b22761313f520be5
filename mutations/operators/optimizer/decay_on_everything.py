"""Weight decay pulls at every parameter, also at biases and at the gains of norms.

## What it does
Gives the group that should be left alone the decay of the other one.

## Why it is wrong
Decay keeps the weights of a matrix small. A gain is meant to stay near one and a bias wherever the data wants it;
pulled towards zero, they lose what they have learned a little at each step.

## Symptom
Next to none in a short run: the gains end a few per cent lower. With no decay configured there is no difference at all.

## How to find it
List the optimizer's groups, with the shapes in each and the decay of each. Or make one update with all gradients zero:
only matrices may move.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.optimizers import decay_groups
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The zero in the group without decay."""
    for groups in decay_groups(source):
        spared, decayed = sorted(groups, key=lambda group: group.decays)
        yield source.replace(spared.decay, source.code(decayed.decay))


OPERATOR = Operator(
    id="decay-on-everything",
    category=Category.OPTIMIZER,
    file="train.py",
    origin="https://github.com/huggingface/transformers/issues/33",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="It trains. After many steps the gains of the norms are lower than they should be.",
        area="Look at which settings the optimizer has for each parameter.",
        mechanism="Print the groups with the shapes in each. What is it that tells them apart?",
    ),
    examples=(
        Example(
            "groups = [\n"
            '    {"params": matrices, "weight_decay": config.weight_decay},\n'
            '    {"params": vectors, "weight_decay": 0.0},\n'
            "]\n",
            "groups = [\n"
            '    {"params": matrices, "weight_decay": config.weight_decay},\n'
            '    {"params": vectors, "weight_decay": config.weight_decay},\n'
            "]\n",
        ),
        Example(
            "opt = AdamW([{'params': b, 'weight_decay': 0}, {'params': w, 'weight_decay': 0.1}])\n",
            "opt = AdamW([{'params': b, 'weight_decay': 0.1}, {'params': w, 'weight_decay': 0.1}])\n",
        ),
    ),
    look_alikes=(
        'groups = [{"params": model.parameters(), "weight_decay": 0.0}]\n',
        'groups = [{"params": a, "weight_decay": 0.1}, {"params": b, "weight_decay": 0.1}]\n',
        'groups = [{"params": a, "lr": 0.1}, {"params": b, "lr": 0.0}]\n',
    ),
    edits=edits,
)
