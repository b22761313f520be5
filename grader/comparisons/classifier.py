"""A model with a classifier head: its losses, where gradients go, how it starts, and how its two losses are weighed."""

from typing import Final

import numpy as np

from grader.checks.compare import close
from grader.checks.training_cases import STAND_IN_WIDTH
from grader.comparisons.comparison import GRADIENTS, Asked, Comparison, of
from grader.comparisons.forward import CASES
from grader.comparisons.training import CASES as TRAIN_CASES
from grader.result.record import Lane
from grader.sandbox.questions import (
    AnyQuestion,
    ClassWeights,
    Evaluate,
    GradientNorms,
    Loss,
    Parameters,
    Precision,
    Settings,
    Uncertainty,
)
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds

CLASSES: Final = 3
CLASS_WEIGHT: Final = 0.3
CASE: Final = CASES[0]  # V < C: whatever width a wrong projection gives the logits, the targets fit


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One loss, one evaluation, one initialisation."""
    config, weights = {**CASE.config, "n_classes": CLASSES}, CASE.seeded(seeds)
    tokens = CASE.token_array()
    batch = {"tokens": tokens, "targets": np.roll(tokens, 1, axis=0)[:, ::-1].copy(), "labels": (tokens + 1) % CLASSES}
    return [
        (Loss(config=config, weights=weights, precision=precision, class_weight=CLASS_WEIGHT), batch),
        (Evaluate(config=config, weights=weights, precision=precision, training=True), _batches(batch)),
        (Parameters(config=config, seed=seeds.derive("classifier") % 2**31, then_draw=4), {}),
    ]


def _batches(batch: dict[str, Array]) -> dict[str, Array]:
    """Three batches, each with other labels, so that no accuracy is like another: (N, B, T)."""
    batches = {name: np.stack([part] * 3) for name, part in batch.items()}
    return batches | {"labels": np.stack([(batch["labels"] + i) % CLASSES for i in range(3)])}


def describe(question: AnyQuestion) -> str:
    """``the losses with vocab_size=5, ...``."""
    assert isinstance(question, Loss | Evaluate | Parameters)
    what = {Loss: "the losses", Evaluate: "an evaluation", Parameters: "the initial parameters"}[type(question)]
    return f"{what} with {of(question.config)}"


def steady(answer: Tensors) -> Tensors:
    """Without the state that ``evaluate`` is watched by: random generators differ from process to process."""
    return {name: array for name, array in answer.items() if not name.startswith(("before.", "after."))}


def agree(answer: Tensors, expected: Tensors) -> bool:
    """Losses as scalars, logits as logits, gradients as gradients."""
    return answer.keys() == expected.keys() and all(
        close(answer[name], expected[name], _tolerance(name)) for name in expected
    )


def _tolerance(name: str) -> str:
    if name.startswith("grad."):
        return "gradients, float64"
    return "logits, float64" if name.endswith("logits") else "scalar loss, float64"


COMPARISON: Final = Comparison(
    id="classifier", questions=questions, describe=describe, lanes=((Lane.FLOAT64, agree),), steady=steady
)


STEPS: Final = (0, 1, 2, 3, 10, 1000)
LOSSES: Final = np.array([0.75, 2.5])


def _weighting_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Each way to weigh, once."""
    case = TRAIN_CASES[0]
    settings: Settings = {**case.config, "class_weight": CLASS_WEIGHT}
    random = np.random.default_rng(seeds.derive("log variances"))
    return [
        (ClassWeights(train=settings, steps=STEPS), {}),
        (Uncertainty(precision=precision), {"losses": LOSSES, "log_variances": random.normal(size=2)}),
        (
            GradientNorms(
                train=settings,
                width=STAND_IN_WIDTH,
                n_classes=CLASSES,
                weights=case.weights(seeds),
                precision=precision,
            ),
            case.batches(seeds),
        ),
    ]


def _describe_weighting(question: AnyQuestion) -> str:
    """``the weights of two losses with vocab_size=11, ...``."""
    match question:
        case ClassWeights():
            return f"the weight of the class loss with {of(question.train)}"
        case Uncertainty():
            return "two losses weighed by their uncertainty"
    assert isinstance(question, GradientNorms)
    return f"the weight by gradient norms with {of(question.train)}"


def _steady_weighting(answer: Tensors) -> Tensors:
    """Without the state around the norms: what is watched there is not what two packages are compared by."""
    return {name: array for name, array in answer.items() if not name.startswith(("before.", "lm.", "class."))}


WEIGHTING: Final = Comparison(
    id="weighting",
    questions=_weighting_questions,
    describe=_describe_weighting,
    lanes=GRADIENTS,
    steady=_steady_weighting,
)
