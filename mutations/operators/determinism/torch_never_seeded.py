"""The function that seeds everything forgets PyTorch.

## What it does
Removes the call that seeds PyTorch's generator; the others are still seeded.

## Why it is wrong
Parameters and dropout are drawn by PyTorch. Python's own generator has no part in them, and seeding it promises a
repeatable run that is none.

## Symptom
Every run starts from other parameters. Each of them trains well, and no two can be compared.

## How to find it
Seed, build a model, seed again, build another: all parameters must be equal.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import body, only_call, statement, uses
from mutations.roles.randomness import SEED_TORCH, parameters
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """`torch.manual_seed(seed)`, alone on its line, in a function that passes its seed to others as well."""
    for line in source.find(statement(SEED_TORCH)):
        scope, seed = source.scope(line), only_call(line).args[0].value
        if isinstance(scope, cst.FunctionDef) and isinstance(seed, cst.Name) and seed.value in parameters(scope):
            torch_elsewhere = len(source.find(m.Name("torch"))) - len(source.find(m.Name("torch"), within=line)) > 1
            if torch_elsewhere and uses(source, seed, body(scope)) > 1:
                yield source.remove(line)


ELSEWHERE = "\n\ndef zeros(n):\n    return torch.zeros(n)\n"

OPERATOR = Operator(
    id="torch-never-seeded",
    category=Category.DETERMINISM,
    file="train.py",
    origin="https://github.com/fastai/course-v3/pull/291",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="Two runs with the same settings start from different parameters.",
        area="Look for what decides the first values of the parameters.",
        mechanism="There are several sources of random numbers. List those that begin anew, and those that are used.",
    ),
    examples=(
        Example(
            "import torch\n\n\ndef seed_all(seed):\n    random.seed(seed)\n    torch.manual_seed(seed)\n" + ELSEWHERE,
            "import torch\n\n\ndef seed_all(seed):\n    random.seed(seed)\n" + ELSEWHERE,
        ),
        Example(
            "import torch\n\n\ndef seed_all(s):\n    # parameters, dropout\n    torch.manual_seed(s)\n"
            "    np.random.seed(s)\n" + ELSEWHERE,
            "import torch\n\n\ndef seed_all(s):\n    np.random.seed(s)\n" + ELSEWHERE,
        ),
    ),
    look_alikes=(
        "def seed_all(seed):\n    torch.manual_seed(seed)\n" + ELSEWHERE,
        "def run(config):\n    torch.manual_seed(config.seed)\n    return config.seed\n" + ELSEWHERE,
        "def seed_all(seed):\n    random.seed(seed)\n    generator = torch.manual_seed(seed)\n    use(generator)\n",
    ),
    edits=edits,
)
