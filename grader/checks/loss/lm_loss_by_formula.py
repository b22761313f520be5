"""The loss of the language model is the mean cross entropy of its logits and the targets, over all tokens.

## Why it matters
Everything is trained by this one number, and compared by it. A wrong one still falls; what it falls towards is another
model, and no other run can be compared with it.

## Usual causes
- Cross entropy is given probabilities, where it takes scores.
- Scores and targets do not belong to the same tokens: shifted, or reshaped where axes had to be swapped.
- Some tokens are left out, or the targets are softened.
- The losses of the tokens are added up, where the mean is meant.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.classifier.combined_loss import cross_entropy
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.sandbox.questions import Loss

SLACK = 1e-5  # of the loss: it may be taken in float32


class LossCase(ModelCase, frozen=True, kw_only=True):
    """A model case; ``data`` picks the targets."""

    data: int


@st.composite
def loss_cases(draw: DrawFn) -> LossCase:
    """V < C, so that targets fit the logits whatever width a wrong output projection gives them."""
    case = draw(model_cases(lengths=(3, 5), rows=(2, 3), narrow=True))
    return extended(case, LossCase, data=draw(st.integers(0, 999)))


def holds(case: LossCase, context: Context) -> None:
    """A model without a classifier: both numbers that loss_fn gives, beside the formula over its logits."""
    tokens = case.token_array()
    targets = np.random.default_rng(context.seeds.derive("targets", case.data)).integers(
        0, case.vocab_size, tokens.shape
    )
    targets.flat[0], targets.flat[-1] = (
        0,
        case.vocab_size - 1,
    )  # the first token of the vocabulary is one like any other
    question = Loss(config=case.config, weights=case.seeded(context.seeds), class_weight=0.0, classify=False)
    answer = context.ask(question, {"tokens": tokens, "targets": targets, "labels": tokens % 2})
    expected = cross_entropy(answer["logits"], targets)
    for name in ("lm", "total"):
        if name not in answer or not abs(float(answer[name]) - expected) <= SLACK * max(1.0, abs(expected)):
            said = repr(float(answer[name])) if name in answer else "None"
            raise CheckFailed(
                f"loss-{name}",
                "with class_weight=0 the loss is the mean of -log softmax(logits)[target] over all tokens",
                f"the {name} loss is {said}; from the logits it is {expected!r}",
            )


def snippet(case: LossCase) -> str:
    """The formula by hand."""
    return model_snippet(
        case,
        f"""
from train import Batch, loss_fn

targets = (tokens * 2 + 1) % {case.vocab_size}
targets[0, 0] = 0
expected = -model(tokens).log_softmax(-1).gather(-1, targets[..., None]).mean()
loss = loss_fn(model, Batch(tokens, targets, tokens % 2))[0]
print(f"loss_fn says {{float(loss)}}, the formula {{float(expected)}}")
assert torch.isclose(loss, expected, rtol=1e-4, atol=1e-5), "the loss is not the mean cross entropy"
""",
    )


CHECK = Check(
    id="lm-loss-by-formula",
    cases=loss_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=4,
)
