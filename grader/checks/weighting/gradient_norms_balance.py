"""Weighed by gradient norms, both objectives pull equally hard at the parameters that they share.

## Why it matters
Which objective shapes the model is decided where they meet. Losses of one size can have gradients a hundred times
apart, and the one with the small gradient does not get a say.

## Usual causes
- The ratio is upside down: what is strong already gets stronger.
- Parameters that only one of the two reaches, such as its head, are counted.
- The norms are those of the losses, or of gradients that were left over from before.
"""

from typing import Final

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.weighting.cases import N_CLASSES, two_losses_snippet
from grader.sandbox.questions import GradientNorms
from grader.sandbox.wire import Array, Tensors

# A safeguard against a norm of zero, such as 1e-6 added to it, moves the weight by 3e-5 at most; a head that is counted
# by 5e-2 at least.
SLACK: Final = 1e-3


def holds(case: TrainCase, context: Context) -> None:
    """The lengths of both gradients on a model of the grader's, with the weight on the classifier's."""
    answer = context.ask(norms_question(case, context), case.batches(context.seeds))
    for i in range(case.steps):
        lm, classes = _shared_gradients(answer, i)
        pulls = float(np.linalg.norm(lm)), float(answer["weight"][i]) * float(np.linalg.norm(classes))
        if not abs(pulls[1] - pulls[0]) <= SLACK * pulls[0]:
            raise CheckFailed(
                "unbalanced",
                "on the parameters that both losses reach, weight * the gradient of the class loss is as long as that "
                "of the LM loss",
                f"in batch {i} the LM loss's is {pulls[0]:.6g} long and, with weight {float(answer['weight'][i]):.6g}, "
                f"the class loss's {pulls[1]:.6g}",
            )


def norms_question(case: TrainCase, context: Context) -> GradientNorms:
    """The weight for each of the case's batches, on a stand-in with a classifier."""
    return GradientNorms(
        train=case.config,
        width=STAND_IN_WIDTH,
        n_classes=N_CLASSES,
        weights=case.weights(context.seeds),
        precision="float64",
    )


def _shared_gradients(answer: Tensors, batch: int) -> tuple[Array, Array]:
    """Both losses' gradients by the parameters that both reach, each as one long vector."""
    lm, classes = (_gradients(answer, f"{loss}.{batch}.") for loss in ("lm", "class"))
    shared = sorted(lm.keys() & classes.keys())
    return np.concatenate([lm[name] for name in shared]), np.concatenate([classes[name] for name in shared])


def _gradients(answer: Tensors, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array.ravel() for name, array in answer.items() if name.startswith(prefix)}


def snippet(case: TrainCase) -> str:
    """A model whose two losses share one table."""
    return two_losses_snippet(
        case,
        """
weight = gradient_norm_weight(model, lm_loss, class_loss)
shared = model["trunk"].weight
lm, classes = (torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in (lm_loss, class_loss))
print(float(lm), float(weight * classes))
assert abs(weight * classes - lm) <= 1e-3 * lm, "one objective pulls harder than the other at what they share"
""",
    )


NORM_CASES: Final = train_cases(steps=(1, 2))

CHECK = Check(
    id="gradient-norms-balance",
    cases=NORM_CASES,
    holds=holds,
    snippet=snippet,
    examples=3,
)
