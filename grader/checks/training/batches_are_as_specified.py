"""make_batch gives tokens, their successors as targets, their parity as labels, and for a seed the solution's batch.

## Why it matters
Everything the model learns, it learns from these batches. Targets that are not shifted make the task trivial,
labels that are something else make the classifier learn something else.

## Usual causes
- Targets are the tokens themselves, or shifted the wrong way.
- Labels are computed from the targets.
- The generator that was passed in is not used.
- The upper bound of `torch.randint` is taken for one that can be drawn: it cannot.
"""

from typing import Final

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.training.cases import TRAIN_CASES, TrainCase, train_case
from grader.extent import RUN
from grader.sandbox.questions import MakeBatch
from grader.sandbox.wire import Array

ROWS: Final = 256


def holds(case: TrainCase, context: Context) -> None:
    """Shapes, values, and what depends on the generator."""
    answer = context.ask(MakeBatch(train=case.config, seed=context.seeds.derive("make batch", case.data) % 2**31), {})
    shape = (case.batch_size, case.seq_len)
    for name in ("tokens", "targets", "labels"):
        array = answer[f"{name}.0"]
        if array.shape != shape or array.dtype != "int64":
            raise CheckFailed(
                "batch-shape", f"{name} are int64 of shape {shape}", f"{name} are {array.dtype} of shape {array.shape}"
            )
        if not same_bits(array, answer[f"{name}.1"]):
            raise CheckFailed("batch-seed", "the same generator seed gives the same batch", f"{name} differ")
    tokens, targets, labels = (answer[f"{name}.0"] for name in ("tokens", "targets", "labels"))
    _require(_within(tokens, case.vocab_size) and _within(targets, case.vocab_size), "tokens lie in the vocabulary")
    _require(np.array_equal(targets[:, :-1], tokens[:, 1:]), "targets are the tokens that come next")
    _require(np.array_equal(labels, tokens % 2), "labels are the parity of the tokens")
    _same_task(case, context)


def _same_task(case: TrainCase, context: Context) -> None:
    """Rows enough that every start and every stride there is comes up."""
    train = case.config | {"batch_size": ROWS, "seq_len": 2}
    question = MakeBatch(train=train, seed=context.seeds.derive("whole task", case.data) % 2**31)
    answer, expected = (side["tokens.0"] for side in context.both(question, {}))
    (starts, strides), (all_starts, all_strides) = (_drawn(rows, case.vocab_size) for rows in (answer, expected))
    for words, missing in (("starts at", all_starts - starts), ("counts up by", all_strides - strides)):
        if missing:
            raise CheckFailed(
                "never-drawn",
                "all starts and all strides of the task are drawn",
                f"with vocab_size={case.vocab_size}, none of {ROWS} rows {words} {min(missing)}",
            )
    if not same_bits(answer, expected):
        raise CheckFailed(
            "other-task", "make_batch draws from its generator what a right solution draws", "it draws other rows"
        )


def _drawn(rows: Array, vocabulary: int) -> tuple[set[int], set[int]]:
    """The first tokens of rows (B, 2), and how far the second ones are from them."""
    return set(rows[:, 0].tolist()), set(((rows[:, 1] - rows[:, 0]) % vocabulary).tolist())


def _within(array: Array, vocabulary: int) -> bool:
    return bool(((array >= 0) & (array < vocabulary)).all())


def _require(holds: bool, claim: str) -> None:
    if not holds:
        raise CheckFailed("batch", claim, "in a batch of make_batch they do not")


CHECK = Check(
    id="batches-are-as-specified",
    cases=TRAIN_CASES,
    holds=holds,
    at_size=train_case,
    default=RUN,
    examples=3,
)
