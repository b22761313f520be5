"""Losses and parameters, step by step, of the training loop around a stand-in model."""

from typing import Final

import numpy as np

from grader.checks.compare import PARAMETERS_PER_STEP, close
from grader.checks.training_cases import STAND_IN_WIDTH, TrainCase
from grader.comparisons.comparison import Asked, Comparison, of
from grader.result.record import Lane
from grader.sandbox.questions import AnyQuestion, Precision, TrainSteps
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

CASES: Final = (
    TrainCase(
        vocab_size=11, seq_len=7, batch_size=3, steps=4, lr=0.01, weight_decay=0.1, grad_clip=0.1, warmup=3, data=1
    ),
    TrainCase(
        vocab_size=7, seq_len=5, batch_size=2, steps=3, lr=0.1, weight_decay=0.0, grad_clip=50.0, warmup=0, data=2
    ),
)


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A few steps of each case."""
    return [
        (
            TrainSteps(train=train.config, width=STAND_IN_WIDTH, weights=train.weights(seeds), precision=precision),
            train.batches(seeds),
        )
        for train in CASES
    ]


def describe(question: AnyQuestion) -> str:
    """``training a stand-in model with vocab_size=11, ...``."""
    assert isinstance(question, TrainSteps)
    return f"training a stand-in model with {of(question.train)}"


def close_training(answer: Tensors, expected: Tensors) -> bool:
    """Losses as scalars; parameters after step i within (i + 1) * 1e-6 * lr of the smallest rate in use."""
    if answer.keys() != expected.keys():
        return False
    rate = min(case.lr for case in CASES)
    for name, wanted in expected.items():
        got = answer[name]
        if got.shape != wanted.shape:
            return False
        if name.endswith("losses"):
            if not close(got, wanted, "scalar loss, float64"):
                return False
            continue
        steps = int(name.split(".")[1]) + 1 if name.startswith("param.") else 1
        if not np.max(np.abs(got - wanted), initial=0.0) <= PARAMETERS_PER_STEP * rate * steps:
            return False
    return True


COMPARISON: Final = Comparison(
    id="training", questions=questions, describe=describe, lanes=((Lane.FLOAT64, close_training),)
)
