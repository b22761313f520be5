"""One training step moves every parameter, and against its gradient.

## Why it matters
The point of a step is to change the model. A loop that computes losses and gradients and then leaves the
parameters alone runs without an error and learns nothing.

## Usual causes
- The optimizer is never stepped.
- Gradients are cleared between the backward pass and the step.
- The optimizer was built over other parameters than the model's.
- The learning rate of the first step is zero.
- The sign of the loss is wrong.
"""

from typing import Final

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.training.cases import STAND_IN_WIDTH, TRAIN_CASES, TrainCase
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import TrainSteps
from grader.sandbox.wire import Array, Tensors

# Cosine between a parameter's move and that in a correct loop. Plain gradient descent instead of AdamW was seen to have
# 0.45 at least, another clip or rate nearly 1; what has nothing to do with the gradient is as often below 0 as above.
LEAST_COSINE: Final = 0.1


def holds(case: TrainCase, context: Context) -> None:
    """After the first step each parameter differs from what it was, and lies roughly where a correct loop takes it."""
    question = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds))
    answer, variant = context.both(question, case.batches(context.seeds))
    names = [name.removeprefix("initial.") for name in variant if name.startswith("initial.")]
    still = [name for name in names if same_bits(variant[f"initial.{name}"], answer[f"param.0.{name}"])]
    if still:
        raise CheckFailed(
            "no-move",
            "every parameter that has a gradient changes in one step",
            f"{len(still)} of {len(names)} parameters did not change, the first is {still[0]}",
        )
    astray = [name for name in names if not _is_alike(_move(answer, variant, name), _move(variant, variant, name))]
    if astray:
        raise CheckFailed(
            "astray",
            "one step moves every parameter against its gradient",
            f"{len(astray)} of {len(names)} parameters moved elsewhere, the first is {astray[0]}",
        )


def _move(answer: Tensors, variant: Tensors, name: str) -> Array:
    """How a parameter has moved from where the grader put it."""
    return answer[f"param.0.{name}"].astype(np.float64) - variant[f"initial.{name}"]


def _is_alike(move: Array, right: Array) -> bool:
    """Whether two moves have about one direction, if the right one has any."""
    if not right.any():
        return True
    return bool((move * right).sum() > LEAST_COSINE * np.linalg.norm(move) * np.linalg.norm(right))


def snippet(case: TrainCase) -> str:
    """One step of a model of three layers."""
    return training_snippet(
        case,
        """
before = [p.detach().clone() for p in model.parameters()]
train_step(model, optimizer, batch, config, 0)
moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters())]
print(moved)
assert all(moved), "a training step left parameters as they were"
""",
    )


CHECK = Check(
    id="parameters-move",
    cases=TRAIN_CASES,
    holds=holds,
    snippet=snippet,
    examples=3,
)
