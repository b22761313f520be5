"""train() puts the model into training mode, whatever mode it comes in, and leaves it there.

## Why it matters
A model that was just evaluated is in eval mode. Trained in it, it trains without the dropout it was configured with,
and nothing says so but a loss that is a little too good.

## Usual causes
- train() relies on the mode that it finds.
- The model is put into eval mode for an evaluation, or in the end, and never put back.
- The mode of the outermost module alone is set.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close
from grader.checks.training.cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.checks.training.snippets import config_of
from grader.sandbox.questions import TrainSteps, WatchedTraining
from grader.sandbox.wire import Array

DROPOUT = 0.5


def holds(case: TrainCase, context: Context) -> None:
    """A stand-in with dropout that comes in training mode and one that comes in eval mode; and one without dropout."""
    usual, from_eval, plain = (
        _losses(case, context, dropout=dropout, in_eval=in_eval)
        for dropout, in_eval in ((DROPOUT, False), (DROPOUT, True), (0.0, False))
    )
    claim = "train() trains in training mode, with dropout on"
    if np.abs(usual[:1] - plain[:1]).max() <= 1e-9:
        raise CheckFailed("no-dropout", claim, f"with dropout={DROPOUT} the first loss is the one without dropout")
    if not close(from_eval, usual, "scalar loss, float64"):
        raise CheckFailed(
            "mode-kept", claim, "a model that comes in eval mode has other losses than one that comes in training mode"
        )
    _stays(case, context)


def _stays(case: TrainCase, context: Context) -> None:
    """The mode at every forward pass, all parts of the model taken together, and in the end."""
    for in_eval in (True, False):
        question = WatchedTraining(
            train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds), in_eval=in_eval
        )
        answer = context.ask(question, case.batches(context.seeds))
        came = f"a model that comes in {'eval' if in_eval else 'training'} mode"
        if not answer["modes"].all():
            raise CheckFailed(
                "left-on-the-way", "train() trains in training mode, every module of it", f"{came} is not always in it"
            )
        if not in_eval and not answer["after.mode"].all():
            raise CheckFailed("left-behind", "train() leaves the model in training mode", f"{came} is not any more")


def _losses(case: TrainCase, context: Context, *, dropout: float, in_eval: bool) -> Array:
    question = TrainSteps(
        train=case.config,
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        precision="float64",
        whole=True,
        dropout=dropout,
        in_eval=in_eval,
    )
    return context.ask(question, case.batches(context.seeds))["losses"]


def snippet(case: TrainCase) -> str:
    """A model whose only layer with a mode says which it is in."""
    return f"""import torch
from torch import nn
from train import Batch, TrainConfig, train

config = {config_of(case)}
seen = []


class Watched(nn.Dropout):
    def forward(self, x):
        seen.append(self.training)
        return super().forward(x)


model = nn.Sequential(nn.Embedding({case.vocab_size}, 6), Watched(0.5), nn.Linear(6, {case.vocab_size})).eval()
tokens = torch.randint({case.vocab_size}, ({case.batch_size}, {case.seq_len} + 1))
batch = Batch(tokens[:, :-1], tokens[:, 1:], tokens[:, :-1] % 2)
train(model, config, batches=[batch] * config.steps)
print(seen)
assert all(seen), "train() trains in eval mode"
"""


CHECK = Check(
    id="train-in-training-mode",
    cases=train_cases(batch_size=(2,), steps=(2,)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
