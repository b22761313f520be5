"""The generator is seeded again for every batch, so that all batches are the same.

## What it does
Resets the generator to the configured seed at the first draw of each batch.

## Why it is wrong
A generator is seeded once, and each draw moves it on; that it moves on is what makes one batch differ from the next.
Batches for training and batches that were meant to be held out become one and the same.

## Symptom
Both losses fall fast and far, and agree perfectly: the model is tested on what it has learned by heart. Each run
repeats to the last bit, as it should.

## How to find it
Draw two batches from one generator; they must differ. Draw from generators with two seeds; those must differ too.
"""

import re
from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.randomness import draws, parameters
from mutations.source import Source

# What such functions make is made once.
ONCE = re.compile("corpus|dataset|weights|vocab|init", re.IGNORECASE)


def edits(source: Source) -> Iterator[Edit]:
    """The first draw of a function that is given a generator, and a configuration known to hold the seed."""
    seen: set[cst.FunctionDef] = set()
    for draw in draws(source):
        if draw.function in seen or ONCE.search(draw.function.name.value):
            continue
        seen.add(draw.function)
        for name in parameters(draw.function):
            if source.find(m.Attribute(value=m.Name(name), attr=m.Name("seed"))):
                generator = source.code(draw.generator.value)
                yield source.replace(draw.generator.value, f"{generator}.manual_seed({name}.seed)")
                break


SEEDED = "\n\ndef run(config):\n    return draw(config, torch.Generator().manual_seed(config.seed))\n"

OPERATOR = Operator(
    id="generator-reseeded-for-each-batch",
    category=Category.DETERMINISM,
    file="train.py",
    origin="https://github.com/deeppavlov/DeepPavlov/pull/9",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FAR,
    hints=Hints(
        symptom="Training and held-out loss fall together, lower than the data allows.",
        area="Print the first few batches of a run, one below the other.",
        mechanism="Where a random number comes from is not all that matters; so does when that source began.",
    ),
    examples=(
        Example(
            "def draw(config, generator):\n    return torch.randint(9, (config.n, 1), generator=generator)\n" + SEEDED,
            "def draw(config, generator):\n"
            "    return torch.randint(9, (config.n, 1), generator=generator.manual_seed(config.seed))\n" + SEEDED,
        ),
        Example(
            "def draw(config, rng):\n"
            "    x = torch.rand(config.n, generator=rng)  # (n,)\n"
            "    return x + torch.rand(config.n, generator=rng)\n" + SEEDED,
            "def draw(config, rng):\n"
            "    x = torch.rand(config.n, generator=rng.manual_seed(config.seed))  # (n,)\n"
            "    return x + torch.rand(config.n, generator=rng)\n" + SEEDED,
        ),
    ),
    look_alikes=(
        "def make_corpus(config, generator):\n    return torch.randint(9, (config.n,), generator=generator)\n" + SEEDED,
        "def draw(config, generator):\n    return torch.randint(9, (config.n, 1), generator=generator)\n",
        "def draw(config):\n    return torch.rand(config.n, generator=GENERATOR)\n" + SEEDED,
        "def draw(config, generator):\n    return torch.rand(config.n)\n" + SEEDED,
    ),
    edits=edits,
)
