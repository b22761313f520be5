"""Checks of how gradients are clipped, on a stand-in model that the grader brings."""

from typing import Final

import numpy as np

from grader.checks.check import CheckFailed, Context, check
from grader.checks.snippets import training_snippet
from grader.checks.training_cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.sandbox.questions import RecordSteps
from grader.sandbox.wire import Array

NO_LIMIT: Final = 1e6
SHARES: Final = (0.2, 0.7, 3.0)  # the limit, as a share of the gradient's length
# What a safeguard against a norm of zero, or a norm in float32, may change.
SLACK: Final = 1e-3
GROUPS: Final = 2  # of the optimizer's: a clip is of all of them together


def _gradient_norm_is_clipped_snippet(case: TrainCase) -> str:
    """A limit of a fifth of the gradient's length."""
    return training_snippet(
        case,
        """
from dataclasses import replace

loss = nn.functional.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten())
fresh = torch.autograd.grad(loss, list(model.parameters()))
norm = torch.stack([g.norm() for g in fresh]).norm()
config = replace(config, grad_clip=float(norm) / 5)
seen = []
original = optimizer.step
optimizer.step = lambda *a, **k: (seen.extend(p.grad.clone() for p in model.parameters()), original(*a, **k))
train_step(model, optimizer, batch, config, 0)
print(f"length {float(norm):.4f}, clipped to {config.grad_clip:.4f}")
for mine, right in zip(seen, fresh):
    assert torch.allclose(mine, right / 5, rtol=1e-3, atol=1e-5), "the optimizer sees another gradient"
""",
    )


@check(cases=train_cases(steps=(1,)), snippet=_gradient_norm_is_clipped_snippet, examples=3)
def gradient_norm_is_clipped(case: TrainCase, context: Context) -> None:
    """Gradients longer than grad_clip, all taken as one vector, are scaled to that length; shorter ones are left alone.

    ## Why it matters
    Clipping is to shorten a step that would be too long, and to leave its direction. A clip that bends the gradient, or
    comes when the optimizer has read it already, protects nothing, and trains nearly as well until it is needed.

    ## Usual causes
    - Single entries, or the tensors one by one, are clipped in place of all together.
    - The length is measured by another norm.
    - The clip runs before the backward pass, or after the step.
    - The limit is another number than config.grad_clip.
    - One group of the optimizer's parameters is clipped, and the others are not.
    """
    # What an optimizer sees with a limit, beside what it sees without one.
    free = _gradient(case, context, NO_LIMIT)
    length = float(np.linalg.norm(free))
    for share in SHARES:
        limit = share * length
        seen = _gradient(case, context, limit)
        words = f"grad_clip={limit:.3g} and a gradient of length {length:.3g}"
        if share > 1 and not _close(seen, free):
            raise CheckFailed(
                "touched", "a gradient that is shorter than grad_clip is left alone", f"with {words} it changes"
            )
        if not np.linalg.norm(seen) <= limit * (1 + SLACK):
            raise CheckFailed(
                "too-long",
                "the optimizer sees a gradient that is no longer than grad_clip",
                f"with {words} it sees one of length {np.linalg.norm(seen):.3g}",
            )
        if not _close(seen, free * min(1.0, share)):
            raise CheckFailed(
                "bent",
                "a clipped gradient has the direction it had, and the length grad_clip",
                f"with {words} it sees another direction or a length of {np.linalg.norm(seen):.3g}",
            )


def _gradient(case: TrainCase, context: Context, limit: float) -> Array:
    """The gradient at the first step as one vector."""
    question = RecordSteps(
        train=case.config | {"grad_clip": limit},
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        precision="float64",
        groups=GROUPS,
    )
    answer = context.ask(question, case.batches(context.seeds))
    parts = [answer[name].ravel() for name in sorted(answer) if name.startswith("grad.0.")]
    if not parts:
        raise CheckFailed("no-gradient", "the optimizer is stepped with gradients", "it sees none")
    return np.concatenate(parts)


def _close(actual: Array, expected: Array) -> bool:
    return actual.shape == expected.shape and bool(
        np.max(np.abs(actual - expected)) <= SLACK * np.max(np.abs(expected))
    )
