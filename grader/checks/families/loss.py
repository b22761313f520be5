"""Checks of the loss of the language model and of its targets."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.check import CheckFailed, Context, check
from grader.checks.families.classifier import cross_entropy
from grader.checks.families.projection import forward_runs
from grader.checks.snippets import config_of, model_snippet
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.checks.training_cases import TrainCase, train_cases
from grader.sandbox.questions import Loss, MakeBatch
from grader.sandbox.wire import Array

SLACK = 1e-5  # of the loss: it may be taken in float32


class LossCase(ModelCase, frozen=True, kw_only=True):
    """A model case; ``data`` picks the targets."""

    data: int


@st.composite
def loss_cases(draw: DrawFn) -> LossCase:
    """V < C, so that targets fit the logits whatever width a wrong output projection gives them."""
    case = draw(model_cases(lengths=(3, 5), rows=(2, 3), narrow=True))
    return extended(case, LossCase, data=draw(st.integers(0, 999)))


def _lm_loss_by_formula_snippet(case: LossCase) -> str:
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


@check(cases=loss_cases(), snippet=_lm_loss_by_formula_snippet, needs=(forward_runs,), examples=4)
def lm_loss_by_formula(case: LossCase, context: Context) -> None:
    """The loss of the language model is the mean cross entropy of its logits and the targets, over all tokens.

    ## Why it matters
    Everything is trained by this one number, and compared by it. A wrong one still falls; what it falls towards is
    another model, and no other run can be compared with it.

    ## Usual causes
    - Cross entropy is given probabilities, where it takes scores.
    - Scores and targets do not belong to the same tokens: shifted, or reshaped where axes had to be swapped.
    - Some tokens are left out, or the targets are softened.
    - The losses of the tokens are added up, where the mean is meant.
    """
    # A model without a classifier: both numbers that loss_fn gives, beside the formula over its logits.
    tokens = case.token_array()
    targets = np.random.default_rng(context.seeds.derive("targets", case.data)).integers(
        0, case.vocab_size, tokens.shape
    )
    targets.flat[0], targets.flat[-1] = (
        0,
        case.vocab_size - 1,
    )  # the first token of the vocabulary is one like any other
    question = Loss(config=case.config, weights=case.seeded(context.seeds), class_weight=None, classify=False)
    answer = context.ask(question, {"tokens": tokens, "targets": targets, "labels": tokens % 2})
    expected = cross_entropy(answer["logits"], targets)
    for name in ("lm", "total"):
        if name not in answer or not abs(float(answer[name]) - expected) <= SLACK * max(1.0, abs(expected)):
            said = repr(float(answer[name])) if name in answer else "None"
            raise CheckFailed(
                f"loss-{name}",
                "without a class_weight the loss is the mean of -log softmax(logits)[target] over all tokens",
                f"the {name} loss is {said}; from the logits it is {expected!r}",
            )


CLAIM = "targets are the tokens that come next, the last of a row too"


def _targets_come_next_snippet(case: TrainCase) -> str:
    """A batch to look at."""
    return f"""import torch
from train import TrainConfig, make_batch

config = {config_of(case)}
batch = make_batch(config, torch.Generator().manual_seed(0))
print("tokens", batch.tokens[:3], "targets", batch.targets[:3])
assert torch.equal(batch.targets[:, :-1], batch.tokens[:, 1:]), "targets are not the tokens that come next"
assert not torch.equal(batch.targets[:, -1], batch.tokens[:, 0]), "every row ends in its own first token"
"""


@check(
    # Rows enough, and too short to come round by themselves.
    cases=train_cases(vocab_size=(11, 13), seq_len=(3, 4, 8), batch_size=(16,)),
    snippet=_targets_come_next_snippet,
    examples=2,
)
def targets_come_next(case: TrainCase, context: Context) -> None:
    """In the batches of make_batch, the target of each token is the one that comes next, to the very end of a row.

    ## Why it matters
    The targets are the task. A model that is asked for the token it was given learns to repeat; where only the last
    target is wrong, one token in each row is trained to be a lie.

    ## Usual causes
    - Tokens and targets are cut from the same place.
    - Tokens are rolled round, so that a row ends in its own first token.
    - The row that is cut has no token to spare for the last target.
    """
    # All but the last target stand among the tokens; the last ones must not all be first tokens.
    answer = context.ask(MakeBatch(train=case.config, seed=context.seeds.derive("make batch", case.data) % 2**31), {})
    tokens, targets = answer["tokens.0"], answer["targets.0"]
    if tokens.shape != (case.batch_size, case.seq_len) or targets.shape != tokens.shape:
        raise CheckFailed(
            "batch-shape", "tokens and targets have shape (B, T)", f"they have {tokens.shape} and {targets.shape}"
        )
    off = np.argwhere(targets[:, :-1] != tokens[:, 1:])
    if len(off):
        row, t = map(int, off[0])
        raise CheckFailed(
            "not-next",
            CLAIM,
            f"after token {t} of row {row} comes {_at(tokens, row, t + 1)}, its target is {_at(targets, row, t)}",
        )
    for index, which in ((0, "first"), (-1, "last")):
        if np.array_equal(targets[:, -1], tokens[:, index]):
            raise CheckFailed("last-target", CLAIM, f"the last target of every row is the row's own {which} token")


def _at(array: Array, row: int, t: int) -> int:
    return int(array[row, t])
