"""What train.py does beside single steps: data, schedule, seeding, whole runs, evaluation."""

from typing import Final

import numpy as np

from grader.checks.strategies import ModelCase
from grader.checks.training_cases import STAND_IN_WIDTH
from grader.comparisons.comparison import Asked, Comparison, all_close, of
from grader.comparisons.forward import CASES as FORWARD_CASES
from grader.comparisons.training import CASES, close_training
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

STEPS: Final = (0, 1, 2, 3, 4, 10, 1000)
DROPOUT: Final = 0.3


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
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


def describe(question: AnyQuestion) -> str:
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


def agree(answer: Tensors, expected: Tensors) -> bool:
    """A run as a run; all else as numbers that hardly add up."""
    return close_training(answer, expected) if "losses" in expected else _close(answer, expected)


_close = all_close("scalar loss, float64")

COMPARISON: Final = Comparison(
    id="harness", questions=questions, describe=describe, lanes=((Lane.FLOAT64, agree),), steady=steady
)
