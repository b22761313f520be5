"""A generator is seeded with a number that is written into the code.

## What it does
Puts 42 where the seed of the configuration, or of the caller, was passed on.

## Why it is wrong
A run can be repeated, but there is only one: another seed gives the same random numbers. Five runs with five
seeds, made to see how much the result varies, all agree.

## Symptom
None within a run. Several runs with several seeds agree suspiciously well.

## How to find it
Compare what two different seeds give; it must differ. That the same seed gives the same says nothing here.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import body, uses
from mutations.roles.randomness import SEED_TORCH
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """`manual_seed(seed)` and `manual_seed(config.seed)`, where the same seed is in use elsewhere too."""
    for node in source.find(SEED_TORCH):
        seed = cst.ensure_type(node, cst.Call).args[0].value
        if m.matches(seed, m.Attribute()):
            elsewhere = uses(source, seed, source.module)
        elif m.matches(seed, m.Name()):
            elsewhere = uses(source, seed, body(source.scope(node)))
        else:
            continue
        if elsewhere > 1:
            yield source.replace(seed, "42")


OPERATOR = Operator(
    id="seed-is-always-the-same",
    category=Category.DETERMINISM,
    file="train.py",
    origin="https://github.com/jzhang38/TinyLlama/issues/169",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Runs that should differ in everything random agree too well.",
        area="Change what the random numbers should depend on, and see which of them take notice.",
        mechanism="Follow that setting from the configuration to every generator there is.",
    ),
    examples=(
        Example(
            "def batches(config):\n"
            "    generator = torch.Generator().manual_seed(config.seed)\n"
            "    return generator, torch.Generator().manual_seed(config.seed + 1)\n",
            "def batches(config):\n"
            "    generator = torch.Generator().manual_seed(42)\n"
            "    return generator, torch.Generator().manual_seed(config.seed + 1)\n",
        ),
        Example(
            "def seed_all(seed):\n    random.seed(seed)\n    torch.manual_seed(seed)  # the model\n",
            "def seed_all(seed):\n    random.seed(seed)\n    torch.manual_seed(42)  # the model\n",
        ),
    ),
    look_alikes=(
        "def seed_all(seed):\n    torch.manual_seed(seed)\n",
        "torch.manual_seed(1337)\nrandom.seed(1337)\n",
        "def main(config):\n    torch.manual_seed(config.seed)\n",
    ),
    edits=edits,
)
