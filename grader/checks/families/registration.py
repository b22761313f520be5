"""Checks of whether what a model is made of belongs to it, once, and learns."""

from itertools import groupby

import numpy as np
from hypothesis import strategies as st

from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import TOLERANCES
from grader.checks.families.projection import forward_runs
from grader.checks.snippets import model_snippet
from grader.checks.strategies import VOCABULARIES, WIDTHS, ModelCase, Sizes, model_cases
from grader.sandbox.questions import Gradients, Sharing
from grader.sandbox.wire import Array, Tensors


def _parameters_are_separate_snippet(case: Sizes) -> str:
    """Look for parameters with two names."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""from model import GPT, GPTConfig

model = GPT(GPTConfig({settings}))
seen = {{}}
for name, p in model.named_parameters(remove_duplicate=False):
    other = seen.setdefault(p.data_ptr(), name)
    assert other == name, f"{{other}} and {{name}} are one tensor"
"""


@check(
    cases=st.builds(
        Sizes,
        d_model=st.sampled_from(WIDTHS),
        vocab_size=st.sampled_from(VOCABULARIES),
        n_layer=st.just(2),
        block_size=st.just(10),
    ),
    snippet=_parameters_are_separate_snippet,
    examples=2,
)
def parameters_are_separate(case: Sizes, context: Context) -> None:
    """Every parameter is a tensor of its own.

    ## Why it matters
    Two parameters in one tensor cannot learn two things. Their gradients add up, and when a checkpoint is loaded the
    one that is copied last wins.

    ## Usual causes
    - A list of layers is made by multiplying a list: that repeats one layer, and makes no new ones.
    - A layer, or its weight, is assigned to a second name.
    """
    # No two names lie in the same memory that do not in a right model.
    answer, expected = context.both(Sharing(config=case.config), {})
    allowed = _shared(expected)
    shared = [names for names in _shared(answer) if names not in allowed]
    if shared:
        raise CheckFailed(
            "shared",
            "every parameter is a tensor of its own",
            f"{' and '.join(shared[0][:2])} are one tensor" + (f", and {len(shared) - 1} more" if shared[1:] else ""),
        )


def _shared(answer: Tensors) -> list[tuple[str, ...]]:
    """The names of parameters that are one tensor, by tensor, where they are more than one."""
    names = sorted((int(first), name.removeprefix("first.")) for name, first in answer.items())
    groups = [tuple(name for _, name in group) for _, group in groupby(names, key=lambda entry: entry[0])]
    return [group for group in groups if len(group) > 1]


def _every_parameter_learns_snippet(case: ModelCase) -> str:
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


@check(
    cases=model_cases(layers=(2,)),
    snippet=_every_parameter_learns_snippet,
    needs=(forward_runs,),
    examples=4,
)
def every_parameter_learns(case: ModelCase, context: Context) -> None:
    """A gradient reaches every parameter, and in a table every row that was looked up.

    ## Why it matters
    What gets no gradient never learns: it stays the random draw that it was, and the rest of the model has to make do
    with it. The loss falls all the same.

    ## Usual causes
    - Layers are kept in a plain list, where PyTorch does not find their parameters.
    - A tensor is detached, or computed without gradients, on its way.
    - A table of embeddings takes one of its rows for padding.
    - A layer is built and not called, or its weight was replaced by another's.
    """
    # Where a right model's gradient is more than rounding, so must the candidate's be, row by row.
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
