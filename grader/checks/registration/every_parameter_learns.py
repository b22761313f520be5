"""A gradient reaches every parameter, and in a table every row that was looked up.

## Why it matters
What gets no gradient never learns: it stays the random draw that it was, and the rest of the model has to make do with
it. The loss falls all the same.

## Usual causes
- Layers are kept in a plain list, where PyTorch does not find their parameters.
- A tensor is detached, or computed without gradients, on its way.
- A table of embeddings takes one of its rows for padding.
- A layer is built and not called, or its weight was replaced by another's.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import TOLERANCES
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.sandbox.questions import Gradients
from grader.sandbox.wire import Array, Tensors


def holds(case: ModelCase, context: Context) -> None:
    """Where a right model's gradient is more than rounding, so must the candidate's be, row by row."""
    question = Gradients(config=case.config, weights=case.seeded(context.seeds))
    answer, variant = context.both(question, {"tokens": case.token_array()})
    reached = _reached(answer)
    for name, expected in _reached(variant).items():
        parameter = name.removeprefix("grad.")
        if not expected.any():
            continue
        if name not in reached:
            raise CheckFailed(
                "no-gradient",
                "the logits have a gradient for every parameter",
                f"{parameter} gets none, or is not a parameter of the model",
            )
        if reached[name].shape != expected.shape:
            raise CheckFailed("shape", "parameters have the contract's shapes", f"{parameter} has another")
        missing = np.flatnonzero(expected & ~reached[name])
        if len(missing):
            raise CheckFailed(
                "no-gradient",
                "the gradient of a parameter reaches all of its rows that are used",
                f"row {missing[0]} of {parameter} gets none",
            )


def _reached(answer: Tensors) -> dict[str, Array]:
    """By parameter, (rows,) bool: whether its gradient is more than rounding beside the largest there is."""
    largest = max((float(np.max(np.abs(gradient), initial=0.0)) for gradient in answer.values()), default=0.0)
    least = TOLERANCES["gradients, float64"].relative * largest
    return {
        name: np.abs(gradient).max(axis=tuple(range(gradient.ndim))[1:]) > least for name, gradient in answer.items()
    }


def snippet(case: ModelCase) -> str:
    """Look at the gradients of one batch."""
    return model_snippet(
        case,
        """
with torch.enable_grad():
    model(tokens).square().sum().backward()
listed = dict(model.named_parameters())
assert any(name.startswith("blocks.") for name in listed), "the model has no parameters in its blocks"
for name, p in listed.items():
    print(name, None if p.grad is None else float(p.grad.abs().max()))
    assert p.grad is not None, f"{name} gets no gradient"
reached = model.token_embedding.weight.grad[tokens].abs().amax(dim=2)  # (B, T)
assert reached.all(), "a token that occurs gets no gradient"
""",
    )


CHECK = Check(
    id="every-parameter-learns",
    cases=model_cases(layers=(2,)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=4,
)
