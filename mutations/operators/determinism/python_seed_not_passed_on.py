"""The function that seeds everything seeds Python's generator with something else each time.

## What it does
Calls the seeding of Python's `random` without the seed.

## Why it is wrong
Without an argument `random.seed` takes its seed from the system, a new one for every run. What is drawn by Python, an
order or an augmentation, differs then between runs that were to be one and the same.

## Symptom
None as long as only PyTorch draws. With the first shuffle by Python, runs of the same seed part.

## How to find it
Seed, draw from every generator there is, seed again, draw again: all the numbers must be the same.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import body, only_call, statement, uses
from mutations.roles.randomness import parameters
from mutations.source import Source

SEED_PYTHON = m.Call(func=m.Attribute(value=m.Name("random"), attr=m.Name("seed")), args=[m.Arg(keyword=None, star="")])


def edits(source: Source) -> Iterator[Edit]:
    """`random.seed(seed)`, alone on its line, in a function that passes its seed to others as well."""
    for line in source.find(statement(SEED_PYTHON)):
        scope, argument = source.scope(line), only_call(line).args[0]
        seed = argument.value
        is_given = isinstance(scope, cst.FunctionDef) and isinstance(seed, cst.Name) and seed.value in parameters(scope)
        if is_given and uses(source, seed, body(scope)) > 1:
            yield source.replace_within(only_call(line), argument, "")


OPERATOR = Operator(
    id="python-seed-not-passed-on",
    category=Category.DETERMINISM,
    file="train.py",
    origin="https://github.com/FunctionLab/selene/pull/173",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="Two runs start alike, and part as soon as anything is shuffled without PyTorch.",
        area="Make each source of chance begin anew, twice, and compare what each of them gives.",
        mechanism="A default can stand for something new each time. Look at what is called with less than the others.",
    ),
    examples=(
        Example(
            "def seed_all(seed):\n    random.seed(seed)\n    torch.manual_seed(seed)\n",
            "def seed_all(seed):\n    random.seed()\n    torch.manual_seed(seed)\n",
        ),
        Example(
            "def fix(s):\n    np.random.seed(s)\n    random.seed(s)  # shuffles\n",
            "def fix(s):\n    np.random.seed(s)\n    random.seed()  # shuffles\n",
        ),
    ),
    look_alikes=(
        "def seed_all(seed):\n    random.seed(seed)\n",
        "def run(config):\n    random.seed(config.seed)\n    torch.manual_seed(config.seed)\n",
        "def seed_all(seed):\n    np.random.seed(seed)\n    torch.manual_seed(seed)\n",
    ),
    edits=edits,
)
