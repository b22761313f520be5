"""The label of a token in make_batch's batches is the parity of that very token.

## Why it matters
The classifier learns whatever the labels say. Labels that belong to another token make it a second model of what comes
next, and its accuracy is that of a guess.

## Usual causes
- Labels are taken from the targets, or from tokens that are shifted.
- Odd and even are exchanged.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import places
from grader.checks.training.cases import TRAIN_CASES, TrainCase
from grader.checks.training.snippets import config_of
from grader.result.record import TokenGrid
from grader.sandbox.questions import MakeBatch
from grader.sandbox.wire import Array

CLAIM = "labels are the parity of the tokens: 0 for an even one, 1 for an odd one"


def holds(case: TrainCase, context: Context) -> None:
    """Every label of a batch."""
    answer = context.ask(MakeBatch(train=case.config, seed=context.seeds.derive("make batch", case.data) % 2**31), {})
    tokens, labels = answer["tokens.0"], answer["labels.0"]
    if labels.shape != tokens.shape:
        raise CheckFailed("labels", CLAIM, f"they have shape {labels.shape} for tokens of shape {tokens.shape}")
    off = np.argwhere(labels != tokens % 2)
    if len(off):
        first = tuple(off[0])
        at = f" at position {first[-1]}" if tokens.ndim == 2 else ""
        seen = f"token {int(tokens[first])}{at} has the label {int(labels[first])}"
        raise CheckFailed("labels", CLAIM, seen, grid=_grid(case, tokens, labels))


def _grid(case: TrainCase, tokens: Array, labels: Array) -> TokenGrid | None:
    """Labels below tokens, if the batch is of the size that was asked for."""
    if tokens.shape != (case.batch_size, case.seq_len):
        return None
    return TokenGrid(
        tokens=tuple(tuple(map(int, row)) for row in tokens),
        labels=tuple(tuple(map(int, row)) for row in labels),
        wrong=tuple(places(labels != tokens % 2)),
    )


def snippet(case: TrainCase) -> str:
    """Labels and parities of a batch, one below the other."""
    return f"""import torch
from train import TrainConfig, make_batch

config = {config_of(case)}
batch = make_batch(config, torch.Generator().manual_seed(0))
print("tokens", batch.tokens)
print("labels", batch.labels)
print("parity", batch.tokens % 2)
assert torch.equal(batch.labels, batch.tokens % 2), "labels are not the parity of the tokens"
"""


CHECK = Check(id="labels-are-parity", cases=TRAIN_CASES, holds=holds, snippet=snippet, examples=3)
