"""train() makes one train_step for each batch, in order, and reports every loss.

## Why it matters
The loop around the step has bugs of its own: a batch dropped at the end, a loss reported that belongs to
another step.

## Usual causes
- train() does something other than calling train_step for each batch.
- The step number is not passed on, so that the warm-up never ends.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import finite, first_difference
from grader.checks.training.cases import STAND_IN_WIDTH, TRAIN_CASES, TrainCase
from grader.sandbox.questions import TrainSteps


def holds(case: TrainCase, context: Context) -> None:
    """``train`` over all batches ends where ``train_step`` over each of them ends."""
    weights = case.weights(context.seeds)
    batches = case.batches(context.seeds)
    steps = context.ask(TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights), batches)
    whole = context.ask(TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights, whole=True), batches)
    difference = first_difference(whole, {name: steps[name] for name in whole if name in steps})
    if difference is not None:
        raise CheckFailed(
            "train-differs",
            "train() does the same as train_step() for each batch",
            f"after train(), {difference.tensor} is another one at {list(difference.element)}",
        )
    alone = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights, whole=True, own_batches=True)
    losses = context.ask(alone, batches)["losses"]  # one for each step, or the worker has complained
    if not finite(losses):
        raise CheckFailed("own-batches", "train() without batches makes its own", "a loss is NaN or infinite")


CHECK = Check(
    id="train-uses-every-batch",
    cases=TRAIN_CASES,
    holds=holds,
    examples=2,
)
