"""The function that seeds everything makes a generator of its own for Python, and lets it go.

## What it does
Writes `random.Random(seed)` where Python's own generator is seeded.

## Why it is wrong
`random.Random` makes a new generator; the one that `random.random` and `random.shuffle` draw from is another, and goes
on from wherever it was. What is drawn by Python differs then between runs that were to be one and the same.

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
            yield source.replace_within(only_call(line), only_call(line).func, "random.Random")


OPERATOR = Operator(
    id="python-generator-thrown-away",
    category=Category.DETERMINISM,
    file="train.py",
    origin="https://github.com/zhuyitan/IGTD/pull/15",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="Two runs start alike, and part as soon as anything is shuffled without PyTorch.",
        area="Make each source of chance begin anew, twice, and compare what each of them gives.",
        mechanism="To make a generator is not to set the one that everybody draws from. Look for what is made in vain.",
    ),
    examples=(
        Example(
            "def seed_all(seed):\n    random.seed(seed)\n    torch.manual_seed(seed)\n",
            "def seed_all(seed):\n    random.Random(seed)\n    torch.manual_seed(seed)\n",
        ),
        Example(
            "def fix(s):\n    np.random.seed(s)\n    random.seed(s)  # shuffles\n",
            "def fix(s):\n    np.random.seed(s)\n    random.Random(s)  # shuffles\n",
        ),
    ),
    look_alikes=(
        "def seed_all(seed):\n    random.seed(seed)\n",
        "def run(config):\n    random.seed(config.seed)\n    torch.manual_seed(config.seed)\n",
        "def seed_all(seed):\n    np.random.seed(seed)\n    torch.manual_seed(seed)\n",
    ),
    edits=edits,
)
