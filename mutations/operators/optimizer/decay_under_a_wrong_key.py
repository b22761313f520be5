"""The weight decay is written under a key that the optimizer does not know.

## What it does
Renames `weight_decay` to `weight_decay_rate` in the group that should be decayed.

## Why it is wrong
An optimizer keeps whatever stands in a group and reads the keys it knows. Without its own key the group falls back to
the optimizer's default, which in AdamW is 0.01.

## Symptom
None on the outside: no error, no warning, and the loss falls. Another setting of the decay changes nothing; where the
setting happens to be 0.01, nothing is wrong.

## How to find it
Look at the groups of the finished optimizer, not at the code that makes them: each shows the decay that is used.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import body
from mutations.roles.optimizers import decay_groups
from mutations.source import Source

ADAMW = m.Call(func=m.Name("AdamW") | m.Attribute(attr=m.Name("AdamW")))


def edits(source: Source) -> Iterator[Edit]:
    """The key in the group with decay, where the optimizer is one whose default is not zero."""
    for groups in decay_groups(source):
        [decayed] = (group for group in groups if group.decays)
        if source.find(ADAMW, within=body(source.scope(decayed.display))):
            key = source.code(decayed.decay_key)
            yield source.replace(decayed.decay_key, f"{key[:-1]}_rate{key[-1]}")


OPERATOR = Operator(
    id="decay-under-a-wrong-key",
    category=Category.OPTIMIZER,
    file="train.py",
    origin="https://github.com/huggingface/transformers/issues/525",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="It trains. One setting of the run may be anything at all, and the run stays the same.",
        area="Look at the optimizer once it is made: print what it holds for each parameter.",
        mechanism="What is written and what is read need not be the same thing; what is never read raises nothing.",
    ),
    examples=(
        Example(
            "def make(a, b, wd):\n"
            '    return AdamW([{"params": a, "weight_decay": wd}, {"params": b, "weight_decay": 0.0}])\n',
            "def make(a, b, wd):\n"
            '    return AdamW([{"params": a, "weight_decay_rate": wd}, {"params": b, "weight_decay": 0.0}])\n',
        ),
        Example(
            "groups = [\n"
            "    {'params': vectors, 'weight_decay': 0},  # as they are\n"
            "    {'params': matrices, 'weight_decay': config.decay},  # towards zero\n"
            "]\n"
            "opt = torch.optim.AdamW(groups, lr=config.lr)\n",
            "groups = [\n"
            "    {'params': vectors, 'weight_decay': 0},  # as they are\n"
            "    {'params': matrices, 'weight_decay_rate': config.decay},  # towards zero\n"
            "]\n"
            "opt = torch.optim.AdamW(groups, lr=config.lr)\n",
        ),
    ),
    look_alikes=(
        'groups = [{"params": a, "weight_decay": 0.1}, {"params": b, "weight_decay": 0.0}]\nopt = SGD(groups, lr=1)\n',
        'opt = AdamW([{"params": a, "weight_decay": 0.1}])\n',
    ),
    edits=edits,
)
