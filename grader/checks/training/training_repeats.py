"""Training twice from the same start gives the same bits.

## Why it matters
If a run cannot be repeated, no two runs can be compared, and a bug that shows once in a while cannot be
chased.

## Usual causes
- Something is drawn from a random generator that was not seeded.
- State is kept in a module between runs.
"""

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.training.cases import STAND_IN_WIDTH, TRAIN_CASES, TrainCase
from grader.compare import first_difference
from grader.sandbox.questions import TrainSteps
from grader.sandbox.wire import Tensors


def holds(case: TrainCase, bench: Bench) -> None:
    """The same question twice."""
    question = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(bench.seeds))
    batches = case.batches(bench.seeds)
    _same(bench.ask(question, batches), bench.ask(question, batches), "a second run")


def confirm(case: TrainCase, bench: Bench) -> None:
    """Once more in a fresh process."""
    question = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(bench.seeds))
    batches = case.batches(bench.seeds)
    with bench.candidate.another() as fresh:
        _same(bench.ask(question, batches), fresh.ask(question, batches), "a run in a fresh process")


def _same(first: Tensors, other: Tensors, where: str) -> None:
    difference = first_difference(other, first)
    if difference is not None:
        raise Counterexample(
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
