"""The training loop around a stand-in model, step by step; and what train.py does beside single steps: data, schedule,
seeding, whole runs, evaluation."""

from typing import Final

import numpy as np

from grader.checks.compare import PARAMETERS_PER_STEP, close
from grader.checks.strategies import ModelCase
from grader.checks.training_cases import STAND_IN_WIDTH, TrainCase
from grader.comparisons.comparison import Asked, Comparison, all_close, of
from grader.comparisons.forward import CASES as FORWARD_CASES
from grader.result.record import Lane
from grader.sandbox.questions import (
    AnyQuestion,
    Evaluate,
    MakeBatch,
    Precision,
    Rates,
    RecordSteps,
    SeededDraws,
    Settings,
    TrainSteps,
)
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


STEPS: Final = (0, 1, 2, 3, 4, 10, 1000)
DROPOUT: Final = 0.3


def _harness_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Each once, where they differ."""
    case = CASES[0]
    settings: Settings = {**case.config, "seed": 7}
    seed = seeds.derive("harness") % 2**31
    weights = case.weights(seeds)
    return [
        (MakeBatch(train=settings, seed=seed), {}),
        (Rates(train=settings, steps=STEPS), {}),
        (SeededDraws(seed=seed), {}),
        (
            TrainSteps(
                train=settings, width=STAND_IN_WIDTH, weights=weights, precision=precision, whole=True, own_batches=True
            ),
            case.batches(seeds),
        ),
        (
            TrainSteps(
                train=settings,
                width=STAND_IN_WIDTH,
                weights=weights,
                precision=precision,
                whole=True,
                dropout=DROPOUT,
                in_eval=True,
            ),
            case.batches(seeds),
        ),
        (
            RecordSteps(train=settings, width=STAND_IN_WIDTH, weights=weights, precision=precision),
            case.batches(seeds),
        ),
        _evaluation(FORWARD_CASES[0], seeds, precision, seed),
    ]


def _evaluation(case: ModelCase, seeds: Seeds, precision: Precision, seed: int) -> Asked:
    tokens = case.token_array()
    question = Evaluate(
        config={**case.config, "dropout": DROPOUT},
        weights=case.seeded(seeds),
        precision=precision,
        training=True,
        classify=False,
        seed=seed,
    )
    batches = [tokens, tokens[:, ::-1]]
    return question, dict.fromkeys(("tokens", "targets", "labels"), np.stack(batches))


def _describe_harness(question: AnyQuestion) -> str:
    """``a batch made with vocab_size=11, ...``."""
    match question:
        case MakeBatch():
            return f"batches made with {of(question.train)}"
        case Rates():
            return f"the learning rate with {of(question.train)}"
        case SeededDraws():
            return "what is drawn after seeding"
        case TrainSteps() | RecordSteps():
            return f"a whole run with {of(question.train)}"
    assert isinstance(question, Evaluate)
    return f"an evaluation with {of(question.config)}"


def steady(answer: Tensors) -> Tensors:
    """Of the state that ``evaluate`` is watched by the mode alone: random generators differ between processes."""
    return {
        name: array
        for name, array in answer.items()
        if name == "after.mode" or not name.startswith(("before.", "after."))
    }


def _harness_agree(answer: Tensors, expected: Tensors) -> bool:
    """A run as a run; all else as numbers that hardly add up."""
    return close_training(answer, expected) if "losses" in expected else _close(answer, expected)


_close = all_close("scalar loss, float64")

HARNESS: Final = Comparison(
    id="harness",
    questions=_harness_questions,
    describe=_describe_harness,
    lanes=((Lane.FLOAT64, _harness_agree),),
    steady=steady,
)
