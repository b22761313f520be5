"""Weight decay pulls at matrices and embeddings, by lr * weight_decay a step, and at no bias or gain.

## Why it matters
Decay is there to keep matrices small. A gain or a bias that is pulled towards zero forgets a little of what it has
learned at every step; a matrix that is not pulled at all grows. Both train well for long.

## Usual causes
- The groups of parameters have each other's decay, or all the same.
- The decay of a group stands where the optimizer does not look, so that a default takes its place.
- Decay is added to the gradient, and goes through the optimizer's moments.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import training_snippet
from grader.sandbox.questions import TrainSteps
from grader.sandbox.wire import Array, Tensors

LEARNING_RATE = 0.01  # small: where in the step decay is applied is worth lr * lr * decay, and left to the solution


def holds(case: TrainCase, context: Context) -> None:
    """One step with decay and one without, from the same start: they differ by the decay alone."""
    pulled, expected = _difference(case, context)
    slack = 3 * case.lr * case.lr * case.weight_decay
    for name, wanted in expected.items():
        if not np.max(np.abs(pulled[name] - wanted), initial=0.0) <= slack:
            vector = wanted.ndim < 2
            what = f"{name}, {'a vector' if vector else 'a matrix'},"
            raise CheckFailed(
                "vector-decayed" if vector else "matrix-decay",
                "with weight decay, a step moves matrices and embeddings by -lr * weight_decay * their value more than "
                "without, and nothing else",
                f"with lr={case.lr} and weight_decay={case.weight_decay}, {what} is moved by "
                f"{_largest(pulled[name])} more",
                expected=_largest(wanted),
            )


def _difference(case: TrainCase, context: Context) -> tuple[dict[str, Array], dict[str, Array]]:
    """What weight decay changes in the first step, by parameter: of the candidate, and of the matched variant."""
    mine, right = _one_step(case, context, case.weight_decay)
    mine_without, right_without = _one_step(case, context, 0.0)
    moved = [name for name in right if name.startswith("param.0.")]
    return (
        {name.removeprefix("param.0."): mine[name] - mine_without[name] for name in moved},
        {name.removeprefix("param.0."): right[name] - right_without[name] for name in moved},
    )


def _one_step(case: TrainCase, context: Context, decay: float) -> tuple[Tensors, Tensors]:
    question = TrainSteps(
        train=case.config | {"weight_decay": decay},
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        precision="float64",
    )
    return context.both(question, case.batches(context.seeds))


def _largest(change: Array) -> str:
    return f"{np.max(np.abs(change), initial=0.0):.2g}"


def snippet(case: TrainCase) -> str:
    """Where all gradients are zero, decay is all that moves."""
    return training_snippet(
        case,
        """
before = [p.detach().clone() for p in model.parameters()]
for p in model.parameters():
    p.grad = torch.zeros_like(p)
optimizer.step()
for (name, p), start in zip(model.named_parameters(), before):
    factor = 1 - config.lr * config.weight_decay if p.dim() >= 2 else 1
    print(name, tuple(p.shape), "should be scaled by", factor)
    assert torch.allclose(p, start * factor, rtol=1e-6, atol=0), f"{name} is not scaled by {factor}"
""",
    )


CHECK = Check(
    id="decay-spares-vectors",
    cases=train_cases(lr=(LEARNING_RATE,), weight_decay=(0.5, 2.0), steps=(1,), warmup=(1,), seq_len=(4,)),
    holds=holds,
    snippet=snippet,
    needs=("step-is-exact",),
    examples=3,
)
