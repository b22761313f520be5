"""The label of a token in make_batch's batches is the parity of that very token.

## Why it matters
The classifier learns whatever the labels say. Labels that belong to another token make it a second model of what comes
next, and its accuracy is that of a guess.

## Usual causes
- Labels are taken from the targets, or from tokens that are shifted.
- Odd and even are exchanged.
"""

import numpy as np

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.training.cases import TRAIN_CASES, TrainCase
from grader.sandbox.questions import MakeBatch


def holds(case: TrainCase, bench: Bench) -> None:
    """Every label of a batch."""
    answer = bench.ask(MakeBatch(train=case.config, seed=bench.seeds.derive("make batch", case.data) % 2**31), {})
    tokens, labels = answer["tokens.0"], answer["labels.0"]
    off = np.argwhere(labels != tokens % 2) if labels.shape == tokens.shape else None
    if off is None or len(off):
        seen = (
            f"they have shape {labels.shape} for tokens of shape {tokens.shape}"
            if off is None
            else f"token {int(tokens[tuple(off[0])])} has the label {int(labels[tuple(off[0])])}"
        )
        raise Counterexample("labels", "labels are the parity of the tokens", seen)


CHECK = Check(id="labels-are-parity", cases=TRAIN_CASES, holds=holds, examples=3)
