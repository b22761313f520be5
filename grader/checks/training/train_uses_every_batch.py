"""train() makes one train_step for each batch, in order, and reports every loss.

## Why it matters
The loop around the step has bugs of its own: a batch dropped at the end, a loss reported that belongs to
another step.

## Usual causes
- train() does something other than calling train_step for each batch.
- The step number is not passed on, so that the warm-up never ends.
"""

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.compare import finite, first_difference
from grader.checks.training.cases import STAND_IN_WIDTH, TRAIN_CASES, TrainCase
from grader.sandbox.questions import TrainSteps


def holds(case: TrainCase, bench: Bench) -> None:
    """``train`` over all batches ends where ``train_step`` over each of them ends."""
    weights = case.weights(bench.seeds)
    batches = case.batches(bench.seeds)
    steps = bench.ask(TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights), batches)
    whole = bench.ask(TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights, whole=True), batches)
    difference = first_difference(whole, {name: steps[name] for name in whole if name in steps})
    if difference is not None:
        raise Counterexample(
            "train-differs",
            "train() does the same as train_step() for each batch",
            f"after train(), {difference.tensor} is another one at {list(difference.element)}",
        )
    alone = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights, whole=True, own_batches=True)
    losses = bench.ask(alone, batches)["losses"]  # one for each step, or the worker has complained
    if not finite(losses):
        raise Counterexample("own-batches", "train() without batches makes its own", "a loss is NaN or infinite")


CHECK = Check(
    id="train-uses-every-batch",
    cases=TRAIN_CASES,
    holds=holds,
    examples=2,
)
