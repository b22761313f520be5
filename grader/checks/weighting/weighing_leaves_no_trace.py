"""To measure gradient norms changes nothing: gradients, parameters, modes and random state, and what is yet to come.

## Why it matters
The weight is worked out in the middle of an update. What it leaves behind in the gradients is added to the next step,
and a loss that can no longer be differentiated ends the run.

## Usual causes
- backward() is called, which adds to every parameter's .grad, or .grad is cleared.
- The losses are differentiated without retain_graph, so that the update itself cannot be any more.
- Something is remembered from one call to the next.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.training.cases import TrainCase
from grader.checks.weighting.cases import two_losses_snippet
from grader.checks.weighting.gradient_norms_balance import NORM_CASES, norms_question
from grader.sandbox.wire import Array

WORDS = {"mode": "the model's mode", "rng": "the random generator's state"}


def holds(case: TrainCase, context: Context) -> None:
    """The state before beside the state after, the losses themselves, and the same weight once more."""
    answer = context.ask(norms_question(case, context), case.batches(context.seeds))
    for name in (name for name in answer if name.startswith("before.")):
        what = name.removeprefix("before.")
        after: Array | None = answer.get(f"after.{what}")
        if after is None or not same_bits(after, answer[name]):
            raise CheckFailed(
                "state",
                "gradient_norm_weight leaves gradients, parameters, modes and random state as they were",
                f"it changed {WORDS.get(what, what.replace('grad.', 'the .grad of '))}",
            )
    if not answer["usable"].all():
        raise CheckFailed(
            "graph",
            "after gradient_norm_weight both losses can be differentiated, as the update has to",
            "they cannot: what they were computed from is gone",
        )
    if not same_bits(answer["again"], answer["weight"]):
        raise CheckFailed(
            "again",
            "asked twice about the same losses, gradient_norm_weight answers the same",
            f"it answers {answer['weight'].tolist()}, and then {answer['again'].tolist()}",
        )


def snippet(case: TrainCase) -> str:
    """Gradients from before, and an update afterwards."""
    return two_losses_snippet(
        case,
        """
for parameter in model.parameters():
    parameter.grad = torch.ones_like(parameter)  # left by somebody else
first = float(gradient_norm_weight(model, lm_loss, class_loss))
for name, parameter in model.named_parameters():
    assert parameter.grad is not None and bool((parameter.grad == 1).all()), f"the gradient of {name} was changed"
try:
    (lm_loss + first * class_loss).backward(retain_graph=True)
except RuntimeError as error:
    raise AssertionError("the losses cannot be differentiated any more") from error
again = float(gradient_norm_weight(model, lm_loss, class_loss))
print(first, again)
assert first == again, "the second answer is another one"
""",
    )


CHECK = Check(
    id="weighing-leaves-no-trace",
    cases=NORM_CASES,
    holds=holds,
    snippet=snippet,
    examples=2,
)
