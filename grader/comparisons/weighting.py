"""How two losses are weighed against each other: schedules, uncertainty, gradient norms."""

from typing import Final

import numpy as np

from grader.checks.training_cases import STAND_IN_WIDTH
from grader.comparisons.comparison import GRADIENTS, Asked, Comparison, of
from grader.comparisons.training import CASES
from grader.sandbox.questions import AnyQuestion, ClassWeights, GradientNorms, Precision, Settings, Uncertainty
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

CLASS_WEIGHT: Final = 0.3
STEPS: Final = (0, 1, 2, 3, 10, 1000)
LOSSES: Final = np.array([0.75, 2.5])
N_CLASSES: Final = 3


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Each way to weigh, once."""
    case = CASES[0]
    settings: Settings = {**case.config, "class_weight": CLASS_WEIGHT}
    random = np.random.default_rng(seeds.derive("log variances"))
    return [
        (ClassWeights(train=settings, steps=STEPS), {}),
        (Uncertainty(precision=precision), {"losses": LOSSES, "log_variances": random.normal(size=2)}),
        (
            GradientNorms(
                train=settings,
                width=STAND_IN_WIDTH,
                n_classes=N_CLASSES,
                weights=case.weights(seeds),
                precision=precision,
            ),
            case.batches(seeds),
        ),
    ]


def describe(question: AnyQuestion) -> str:
    """``the weights of two losses with vocab_size=11, ...``."""
    match question:
        case ClassWeights():
            return f"the weight of the class loss with {of(question.train)}"
        case Uncertainty():
            return "two losses weighed by their uncertainty"
    assert isinstance(question, GradientNorms)
    return f"the weight by gradient norms with {of(question.train)}"


def steady(answer: Tensors) -> Tensors:
    """Without the state around the norms: what is watched there is not what two packages are compared by."""
    return {name: array for name, array in answer.items() if not name.startswith(("before.", "lm.", "class."))}


COMPARISON: Final = Comparison(id="weighting", questions=questions, describe=describe, lanes=GRADIENTS, steady=steady)
