"""Every update begins by seeding all generators again.

## What it does
Calls the function that seeds everything at the beginning of each update.

## Why it is wrong
A seed is for the beginning of a run. Seeded in each step, dropout drops the same units every time, and whatever else
draws random numbers meanwhile, an evaluation or a sampler, gets the same ones again and again.

## Symptom
Runs repeat, better than ever. With dropout the training loss falls too far, since half of the units are never trained
and never missed.

## How to find it
Look at the state of torch's generator before and after an update of a model without dropout: it must be the same one.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import only_call, statement, updates
from mutations.roles.randomness import SEED_TORCH, parameters
from mutations.roles.traces import begun_with
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Functions that make an update and are given a configuration known to hold the seed; if something seeds."""
    seeding = [scope for line in source.find(statement(SEED_TORCH)) if (scope := _seeds(source, line)) is not None]
    for update in updates(source):
        function = source.scope(update.backward)
        if not seeding or not isinstance(function, cst.FunctionDef):
            continue
        for name in parameters(function):
            if source.find(m.Attribute(value=m.Name(name), attr=m.Name("seed"))):
                yield begun_with(source, function, f"{seeding[0].name.value}({name}.seed)")
                break


def _seeds(source: Source, line: cst.CSTNode) -> cst.FunctionDef | None:
    """The function around a line that seeds, if all it is given is the seed."""
    scope, seed = source.scope(line), only_call(line).args[0].value
    is_given = isinstance(scope, cst.FunctionDef) and isinstance(seed, cst.Name) and parameters(scope) == [seed.value]
    return scope if is_given and isinstance(scope, cst.FunctionDef) else None


SEEDING = "def seed_all(seed):\n    random.seed(seed)\n    torch.manual_seed(seed)\n\n\n"
UPDATE = "    loss(batch).backward()\n    opt.step()\n"
RUN = "\n\ndef run(config):\n    seed_all(config.seed)\n"

OPERATOR = Operator(
    id="seeded-again-at-each-step",
    category=Category.DETERMINISM,
    file="train.py",
    origin="https://github.com/huggingface/diffusers/issues/175",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="What is drawn at random between two updates is the same each time.",
        area="Draw a few numbers after every update of a run, and lay them side by side.",
        mechanism="There is a right time to fix where chance begins. How often does that happen here?",
    ),
    examples=(
        Example(
            SEEDING + "def update(batch, config):\n" + UPDATE + RUN,
            SEEDING + "def update(batch, config):\n    seed_all(config.seed)\n" + UPDATE + RUN,
        ),
        Example(
            SEEDING + 'def update(batch, args):\n    """One update."""\n' + UPDATE + RUN.replace("config", "args"),
            SEEDING
            + 'def update(batch, args):\n    """One update."""\n    seed_all(args.seed)\n'
            + UPDATE
            + RUN.replace("config", "args"),
        ),
    ),
    look_alikes=(
        SEEDING + "def update(batch):\n" + UPDATE + RUN,
        "def update(batch, config):\n" + UPDATE + "\n\ndef run(config):\n    torch.manual_seed(config.seed)\n",
        SEEDING + "def evaluate(batch, config):\n    return loss(batch)\n" + RUN,
    ),
    edits=edits,
)
