"""Training twice from the same start gives the same bits, on given batches and on its own.

## Why it matters
If a run cannot be repeated, no two runs can be compared, and a bug that shows once in a while cannot be
chased.

## Usual causes
- Something is drawn from a random generator that was not seeded, such as the batches.
- State is kept in a module between runs.
"""

from msgspec.structs import replace

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import first_difference
from grader.checks.training.cases import STAND_IN_WIDTH, TRAIN_CASES, TrainCase
from grader.sandbox.questions import TrainSteps
from grader.sandbox.wire import Tensors


def holds(case: TrainCase, context: Context) -> None:
    """The same questions twice."""
    batches = case.batches(context.seeds)
    for question in _questions(case, context):
        _same(context.ask(question, batches), context.ask(question, batches), "a second run")


def confirm(case: TrainCase, context: Context) -> None:
    """Once more in a fresh process."""
    batches = case.batches(context.seeds)
    with context.candidate.another() as fresh:
        for question in _questions(case, context):
            _same(context.ask(question, batches), fresh.ask(question, batches), "a run in a fresh process")


def _questions(case: TrainCase, context: Context) -> list[TrainSteps]:
    """Single steps on batches that are given, and a whole run that makes its own."""
    steps = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds))
    return [steps, replace(steps, whole=True, own_batches=True)]


def _same(first: Tensors, other: Tensors, where: str) -> None:
    difference = first_difference(other, first)
    if difference is not None:
        raise CheckFailed(
            "unsteady",
            "two runs from the same start are the same bit for bit",
            f"not deterministic: {where} differs at {difference.tensor} {list(difference.element)}",
        )


CHECK = Check(
    id="training-repeats",
    cases=TRAIN_CASES,
    holds=holds,
    confirm=confirm,
    examples=1,
)
