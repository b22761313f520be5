"""train() steps the optimizer that it is given.

## Why it matters
Whoever passes an optimizer has chosen its kind, its settings and its state. A loop that makes one of its own throws
all of that away without a word: a run that is resumed starts again with empty moments.

## Usual causes
- An optimizer is made whether or not one was passed in.
- The argument is accepted and nothing reads it.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import RecordSteps


def holds(case: TrainCase, context: Context) -> None:
    """A recording optimizer is stepped at all. How often is for others to ask."""
    question = RecordSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds))
    if int(context.ask(question, case.batches(context.seeds))["in_train"]) == 0:
        raise CheckFailed(
            "not-used",
            "train(model, config, batches, optimizer) steps that optimizer",
            f"with {case.steps} batches it was not stepped once",
        )


def snippet(case: TrainCase) -> str:
    """Count the steps of an optimizer that is passed in."""
    return training_snippet(
        case,
        """
from train import train

steps = []
original = optimizer.step
optimizer.step = lambda *a, **k: (steps.append(1), original(*a, **k))
train(model, config, batches=[batch] * config.steps, optimizer=optimizer)
print(f"the given optimizer was stepped {len(steps)} times")
assert steps, "train() does not use the optimizer that it is given"
""",
    )


CHECK = Check(
    id="given-optimizer-is-used",
    cases=train_cases(steps=(2,)),
    holds=holds,
    snippet=snippet,
    needs=("parameters-move",),
    examples=2,
)
