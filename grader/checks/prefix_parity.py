"""A task on which a classifier lags while the language model learns: the parity of all tokens up to each one.

Rows count up, each from a start and by a stride of its own. What comes next can be read off the last two tokens; the
parity of the sum so far depends on start, stride and position together, and no single token tells it. Rows that the
model is measured on are of starts and strides that it was not trained on.
"""

from typing import Final

import numpy as np
from msgspec import Struct

from grader.sandbox.questions import Settings
from grader.sandbox.wire import Array

VOCABULARY, STRIDES = 12, 4  # an even vocabulary: where a row wraps around, parities stay what they were
LENGTH, ROWS, STEPS = 8, 16, 80
WIDTH: Final = 16  # V < C: targets fit logits that have the model's width
RATE: Final = 0.015
CLASS_WEIGHT: Final = 0.05  # small enough for the language model to drown the classifier
HELD_OUT: Final = VOCABULARY * STRIDES // 4  # rows


class ParityTask(Struct, frozen=True):
    """One draw of it.

    Attributes:
        training: tokens, targets, labels (STEPS, ROWS, LENGTH).
        tokens, labels: the rows held out, (1, HELD_OUT, LENGTH).
    """

    training: dict[str, Array]
    tokens: Array
    labels: Array


CONFIG: Final[Settings] = {
    "vocab_size": VOCABULARY,
    "block_size": LENGTH,
    "n_layer": 1,
    "d_model": WIDTH,
    "n_classes": 2,
}  # GPTConfig fields


def train_settings(steps: int = STEPS) -> Settings:
    """TrainConfig fields."""
    return {
        "vocab_size": VOCABULARY,
        "seq_len": LENGTH,
        "batch_size": ROWS,
        "steps": steps,
        "lr": RATE,
        "weight_decay": 0.0,
        "grad_clip": 1.0,
        "warmup": 1,
        "class_weight": CLASS_WEIGHT,
    }


def parity_task(seed: int, steps: int = STEPS) -> ParityTask:
    """Rows to train on, and others to be measured on."""
    random = np.random.default_rng(seed)
    kinds = np.stack(np.divmod(random.permutation(VOCABULARY * STRIDES), STRIDES))  # start, and stride less one
    held_out, trained = kinds[:, :HELD_OUT], kinds[:, HELD_OUT:]
    drawn = trained[:, random.integers(0, trained.shape[1], (steps, ROWS))]
    rows = _rows(drawn, LENGTH + 1)  # (steps, ROWS, LENGTH + 1)
    tokens = rows[..., :-1].copy()
    training = {"tokens": tokens, "targets": rows[..., 1:].copy(), "labels": _parities(tokens)}
    measured = _rows(held_out[:, None], LENGTH)  # (1, HELD_OUT, LENGTH)
    return ParityTask(training, measured, _parities(measured))


def _rows(kinds: Array, length: int) -> Array:
    start, stride = kinds[0][..., None], kinds[1][..., None] + 1
    rows: Array = (start + stride * np.arange(length)) % VOCABULARY
    return rows


def _parities(tokens: Array) -> Array:
    parities: Array = tokens.cumsum(axis=-1) % 2
    return parities
