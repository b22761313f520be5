"""What packages are compared by that an adapter.py calls: parts of what the others ask at once, each by itself, so
that a package need not have all of them."""

from typing import Final

import numpy as np

from grader.checks.training_cases import STAND_IN_WIDTH
from grader.comparisons import twin_runs
from grader.comparisons.comparison import LOGITS, Asked, Comparison, all_close, of
from grader.comparisons.configuration import HEAD_CASES
from grader.comparisons.forward import CASES as FORWARD_CASES
from grader.comparisons.forward import describe as describe_forward
from grader.comparisons.training import CASES as TRAIN_CASES
from grader.comparisons.training import STEPS, close_training
from grader.comparisons.training import steady as without_random_state
from grader.result.record import Lane
from grader.sandbox.questions import (
    AnyQuestion,
    Evaluate,
    Forward,
    Loss,
    Parameters,
    Precision,
    Rates,
    Settings,
    TrainSteps,
    TwinRun,
)
from grader.seeds import Seeds

DROPOUT: Final = 0.3
NUMBERS: Final = ((Lane.FLOAT64, all_close("scalar loss, float64")),)


def _heads(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of each case of several heads."""
    return [
        (
            Forward(config={**case.config, "n_head": heads}, weights=case.seeded(seeds), precision=precision),
            {"tokens.0": case.token_array()},
        )
        for heads, case in HEAD_CASES
    ]


def _parameters(seeds: Seeds, _: Precision) -> list[Asked]:
    """The parameters that a model starts with, of one head and of several."""
    heads, case = HEAD_CASES[1]
    seed = seeds.derive("parameters of a part") % 2**31
    return [(Parameters(config={**case.config, "n_head": count}, seed=seed), {}) for count in (1, heads)]


def _losses(seeds: Seeds, precision: Precision) -> list[Asked]:
    """The loss of one batch of each of the smaller cases."""
    asked: list[Asked] = []
    for case in FORWARD_CASES[:3]:
        tokens = case.token_array()
        question = Loss(
            config=case.config, weights=case.seeded(seeds), precision=precision, class_weight=0.0, classify=False
        )
        asked.append((question, {"tokens": tokens, "targets": np.roll(tokens, -1, axis=1), "labels": tokens % 2}))
    return asked


def _evaluations(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Two batches, in a model that comes in training mode."""
    case = FORWARD_CASES[0]
    tokens = case.token_array()
    question = Evaluate(
        config={**case.config, "dropout": DROPOUT},
        weights=case.seeded(seeds),
        precision=precision,
        training=True,
        classify=False,
        seed=seeds.derive("evaluation") % 2**31,
    )
    return [(question, dict.fromkeys(("tokens", "targets", "labels"), np.stack([tokens, tokens[:, ::-1]])))]


def _rates(seeds: Seeds, _: Precision) -> list[Asked]:
    """The learning rate, early, late and somewhere between."""
    between = 5 + seeds.derive("rates") % 500
    return [(Rates(train=case.config, steps=(*STEPS, between)), {}) for case in TRAIN_CASES]


def _loops(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A loop around a stand-in model that drops, and comes in evaluation."""
    case = TRAIN_CASES[0]
    question = TrainSteps(
        train=case.config,
        width=STAND_IN_WIDTH,
        weights=case.weights(seeds),
        precision=precision,
        dropout=DROPOUT,
        in_eval=True,
    )
    return [(question, case.batches(seeds))]


def _runs(seeds: Seeds, precision: Precision) -> list[Asked]:
    """The model under its own training."""
    case = FORWARD_CASES[0]
    train: Settings = {
        "vocab_size": case.vocab_size,
        "seq_len": case.length,
        "batch_size": 4,
        "steps": 5,
        "seed": seeds.derive("short run") % 2**31,
    }
    return [(TwinRun(config=case.config, train=train, precision=precision), {})]


def _describe(question: AnyQuestion) -> str:
    """``the loss with vocab_size=5, ...``."""
    match question:
        case Parameters():
            return f"the initial parameters with {of(question.config)}"
        case Loss():
            return f"the loss with {of(question.config)}"
        case Evaluate():
            return f"an evaluation with {of(question.config)}"
        case Rates():
            return f"the learning rate with {of(question.train)}"
        case TrainSteps():
            return f"training a stand-in model with {of(question.train)} and dropout={question.dropout}"
    return twin_runs.describe(question)


PARTS: Final = (
    Comparison(id="several-heads", questions=_heads, describe=describe_forward, lanes=LOGITS),
    Comparison(id="parameters", questions=_parameters, describe=_describe),
    Comparison(id="loss", questions=_losses, describe=_describe, lanes=NUMBERS),
    Comparison(id="evaluation", questions=_evaluations, describe=_describe, lanes=NUMBERS, steady=without_random_state),
    Comparison(id="rates", questions=_rates, describe=_describe, lanes=NUMBERS),
    Comparison(id="loop", questions=_loops, describe=_describe, lanes=((Lane.FLOAT64, close_training),)),
    Comparison(
        id="short-run",
        questions=_runs,
        describe=_describe,
        lanes=twin_runs.LANES,
        nearly=twin_runs.nearly,
        meaning=twin_runs.meaning,
        steady=twin_runs.in_time,
    ),
)
