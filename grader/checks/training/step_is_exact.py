"""Each batch is used for one update, at the scheduled rate, with the clipped gradient of that batch alone.

## Why it matters
Training code that is slightly wrong still trains. Gradients that pile up, a clip that comes too early or a
second step per batch show up as a model that is a little worse, weeks later.

## Usual causes
- Gradients of earlier batches are not cleared.
- The optimizer is stepped twice, or not at all.
- Gradients are clipped before the backward pass, or not at all.
- The learning rate is set after the step, or counted from another step.
- Of an optimizer with several groups, one alone is given its rate, or clipped.
"""

from typing import Final

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import TRAIN_CASES, TrainCase, train_case
from grader.checks.training.snippets import training_snippet
from grader.extent import RUN
from grader.sandbox.questions import RecordSteps
from grader.sandbox.wire import Array, Tensors

# torch divides by the norm + 1e-6, a clip by hand may divide by the norm alone. Only norms above the clip are divided
# by, and no clip is below 0.1.
CLIP_SLACK: Final = 2e-5
GROUPS: Final = 2  # of the optimizer's, as the solution's own has


def holds(case: TrainCase, context: Context) -> None:
    """What a recording optimizer sees, step by step, beside what it sees in a correct loop."""
    question = RecordSteps(
        train=case.config,
        width=case.width,
        weights=case.weights(context.seeds),
        precision="float64",
        at=case.made,
        groups=GROUPS,
    )
    answer, expected = context.both(question, case.batches(context.seeds))
    for index, step in enumerate(case.numbers):
        calls = int(answer["calls"][index])
        if calls != 1:
            kind = "no-step" if calls == 0 else "extra-step"
            raise CheckFailed(
                kind,
                "the optimizer is stepped once for each batch",
                f"in step {step} it was stepped {calls} times",
                expected=f"{int(expected['calls'][index])} time",
            )
        rates, scheduled = answer["lr"][index], expected["lr"][index]
        if not np.max(np.abs(rates - scheduled)) <= 1e-12 * np.max(np.abs(scheduled)):
            raise CheckFailed(
                "rate",
                "each step is made at learning_rate(step, config), in every group of the optimizer",
                f"step {step} was made at lr={_listed(rates)}",
                expected=f"lr={_listed(scheduled)}",
            )
        _same_gradients(index, step, answer, expected)
    if int(answer["in_train"]) != len(case.numbers):
        raise CheckFailed(
            "own-optimizer",
            "train() steps the optimizer that it is given, once for each batch",
            f"with {len(case.numbers)} batches it was stepped {int(answer['in_train'])} times",
        )


def _listed(rates: Array) -> str:
    """One number where all groups have the same."""
    return ", ".join(repr(float(rate)) for rate in dict.fromkeys(rates.tolist()))


def _same_gradients(index: int, step: int, answer: Tensors, expected: Tensors) -> None:
    prefix = f"grad.{index}."
    for name in (name for name in expected if name.startswith(prefix)):
        if name not in answer or not _close(answer[name], expected[name]):
            raise CheckFailed(
                "gradient",
                "the gradient at each step is the clipped gradient of that batch and of no other",
                f"in step {step} the gradient of {name.removeprefix(prefix)} is another one"
                + (" (it has none)" if name not in answer else ""),
                expected=str(expected[name]),
            )


def _close(actual: Array, expected: Array) -> bool:
    """Whether two gradients differ by no more than a clip with another safeguard against a norm of zero."""
    if actual.shape != expected.shape:
        return False
    return bool(np.max(np.abs(actual - expected)) <= CLIP_SLACK * np.max(np.abs(expected)))


def snippet(case: TrainCase) -> str:
    """Count the steps, and look at the gradient's norm when they happen."""
    return training_snippet(
        case,
        """
seen = []
original = optimizer.step
optimizer.step = lambda *a, **k: (seen.append([p.grad.clone() for p in model.parameters()]), original(*a, **k))
for step in range(2):
    fresh = torch.autograd.grad(nn.functional.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten()),
                                list(model.parameters()))
    norm = torch.stack([g.norm() for g in fresh]).norm()
    fresh = [g * min(1.0, config.grad_clip / (norm + 1e-6)) for g in fresh]
    seen.clear()
    train_step(model, optimizer, batch, config, step)
    print(f"step {step}: optimizer.step was called {len(seen)} times")
    assert len(seen) == 1, "the optimizer must be stepped once for each batch"
    for mine, right in zip(seen[0], fresh):
        assert torch.allclose(mine, right, rtol=1e-3, atol=1e-6), "the gradient is not the clipped one of this batch"
""",
    )


CHECK = Check(
    id="step-is-exact",
    cases=TRAIN_CASES,
    holds=holds,
    at_size=train_case,
    default=RUN,
    snippet=snippet,
    examples=6,
)
