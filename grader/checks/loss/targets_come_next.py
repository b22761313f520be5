"""In the batches of make_batch, the target of each token is the one that comes next, to the very end of a row.

## Why it matters
The targets are the task. A model that is asked for the token it was given learns to repeat; where only the last target
is wrong, one token in each row is trained to be a lie.

## Usual causes
- Tokens and targets are cut from the same place.
- Tokens are rolled round, so that a row ends in its own first token.
- The row that is cut has no token to spare for the last target.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.training.cases import TrainCase, train_cases
from grader.checks.training.snippets import config_of
from grader.sandbox.questions import MakeBatch
from grader.sandbox.wire import Array

CLAIM = "targets are the tokens that come next, the last of a row too"


def holds(case: TrainCase, context: Context) -> None:
    """All but the last target stand among the tokens; the last ones must not all be first tokens."""
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


def snippet(case: TrainCase) -> str:
    """A batch to look at."""
    return f"""import torch
from train import TrainConfig, make_batch

config = {config_of(case)}
batch = make_batch(config, torch.Generator().manual_seed(0))
print("tokens", batch.tokens[:3], "targets", batch.targets[:3])
assert torch.equal(batch.targets[:, :-1], batch.tokens[:, 1:]), "targets are not the tokens that come next"
assert not torch.equal(batch.targets[:, -1], batch.tokens[:, 0]), "every row ends in its own first token"
"""


CHECK = Check(
    id="targets-come-next",
    # Rows enough, and too short to come round by themselves.
    cases=train_cases(vocab_size=(11, 13), seq_len=(3, 4, 8), batch_size=(16,)),
    holds=holds,
    snippet=snippet,
    examples=2,
)
