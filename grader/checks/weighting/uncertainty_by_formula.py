"""Weighing by uncertainty adds exp(-s) * loss + s / 2 of each objective, and its log variance s can be learned.

## Why it matters
The log variances are learned with the model. With a sign or a term that is wrong they still move, and nothing shows but
weights that run away: towards nothing, or towards more and more of one objective.

## Usual causes
- The sign of the log variance is lost, so that what is uncertain counts more.
- Without the term s / 2, the smallest total is that of weights that are all zero.
- The log variances of the two objectives are swapped, or something is detached.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close
from grader.checks.weighting.cases import LossesCase, losses_cases
from grader.sandbox.questions import Uncertainty
from grader.sandbox.wire import Array

CLAIMS = {
    "total": "the total is the sum of exp(-s) * loss + s / 2 over both objectives",
    "grad.losses": "a loss counts in the total with exp(-s)",
    "grad.log_variances": "the total changes with a log variance s by -exp(-s) * loss + 1 / 2",
    "after": "the log variances are read, and left as they are",
}


def holds(case: LossesCase, context: Context) -> None:
    """The total, and where its gradients go, by their formulas."""
    losses = np.array([case.lm_loss, case.class_loss])
    log_variances = np.array([case.lm_log_variance, case.class_log_variance])
    answer = context.ask(Uncertainty(), {"losses": losses, "log_variances": log_variances})
    for name, wanted in _by_formula(losses, log_variances).items():
        if not close(answer[name], wanted, "scalar loss, float64"):
            raise CheckFailed(
                name,
                CLAIMS[name],
                f"of losses {losses.tolist()} and log variances {log_variances.tolist()} it is "
                f"{answer[name].tolist()!r}, not {wanted.tolist()!r}",
            )


def _by_formula(losses: Array, log_variances: Array) -> dict[str, Array]:
    counts = np.exp(-log_variances)
    return {
        "total": np.array((counts * losses + log_variances / 2).sum()),
        "grad.losses": counts,
        "grad.log_variances": 0.5 - counts * losses,
        "after": log_variances,
    }


def snippet(case: LossesCase) -> str:
    """The formula, written out."""
    return f"""import torch
from train import uncertainty_weighting

lm_loss, class_loss = (torch.tensor(x, dtype=torch.float64) for x in ({case.lm_loss}, {case.class_loss}))
s = torch.tensor([{case.lm_log_variance}, {case.class_log_variance}], dtype=torch.float64, requires_grad=True)
right = (-s[0]).exp() * lm_loss + s[0] / 2 + (-s[1]).exp() * class_loss + s[1] / 2
total = uncertainty_weighting(lm_loss, class_loss, s)
print(float(total), float(right))
assert abs(total - right) <= 1e-9, "the total is another one"
(gradient,), (wanted,) = torch.autograd.grad(total, s), torch.autograd.grad(right, s)
print(gradient, wanted)
assert (gradient - wanted).abs().max() <= 1e-9, "the log variances would learn something else"
"""


CHECK = Check(
    id="uncertainty-by-formula",
    cases=losses_cases(),
    holds=holds,
    snippet=snippet,
    examples=3,
)
