"""The loss that a step reports is that of the model before its update.

## Why it matters
The record says how well the model does on tokens that it has not been fitted to yet. After the update it does better on
that very batch, so that the curve flatters, and every step costs a second forward pass.

## Usual causes
- The loss is computed once more for the record.
- What is reported belongs to another step.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.own_batches_differ import STILL
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import TrainSteps


def holds(case: TrainCase, context: Context) -> None:
    """How far the first update goes makes no difference to the first losses."""
    far, still = (
        context.ask(
            TrainSteps(
                train=case.config | {"lr": rate},
                width=STAND_IN_WIDTH,
                weights=case.weights(context.seeds),
                precision="float64",
            ),
            case.batches(context.seeds),
        )
        for rate in (case.lr, STILL)
    )
    for name, key in (("losses", "loss"), ("lm_losses", "lm_loss")):
        if not close(far[name][:1], still[name][:1], "scalar loss, float64"):
            raise CheckFailed(
                "loss-moved",
                "train_step reports the losses from before its update",
                f"the first {key} is {float(still[name][0])!r} when the update hardly moves the model, and "
                f"{float(far[name][0])!r} at lr={case.lr}",
            )


def snippet(case: TrainCase) -> str:
    """The loss of the model that has not been trained yet."""
    return training_snippet(
        case,
        """
model = model.double()
before = nn.functional.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten()).item()
reported = train_step(model, optimizer, batch, config, 0)["loss"]
print(f"before the update {before}, reported {reported}")
assert abs(reported - before) <= 1e-6, "the loss reported is not that of the model before its update"
""",
    )


CHECK = Check(
    id="loss-is-from-before",
    cases=train_cases(lr=(0.1,), steps=(1,)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
