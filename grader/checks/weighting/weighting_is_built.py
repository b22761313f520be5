"""At least one way to weigh two losses is built.

## Why it matters
Each way is judged by itself. Before that there has to be one.

## Usual causes
- The functions still raise NotImplementedError, or have other names.
"""

import numpy as np

from grader.checks.check import Check, Context
from grader.checks.training.cases import TrainCase, train_cases
from grader.checks.weighting.gradient_norms_balance import norms_question
from grader.packages.package import Trouble
from grader.sandbox.questions import AnyQuestion, ClassWeights, Uncertainty
from grader.sandbox.wire import Tensors


def holds(case: TrainCase, context: Context) -> None:
    """The schedules, the weighing by uncertainty or that by gradient norms: one of them gives an answer."""
    ones = {"losses": np.array([1.0, 1.0]), "log_variances": np.zeros(2)}
    ways: tuple[tuple[AnyQuestion, Tensors], ...] = (
        (ClassWeights(train=case.config, steps=(0,)), {}),
        (Uncertainty(), ones),
        (norms_question(case, context), case.batches(context.seeds)),
    )
    failures: list[Trouble] = []
    for question, tensors in ways:
        try:
            context.ask(question, tensors)
        except Trouble as trouble:
            failures.append(trouble)
        else:
            return
    raise failures[0]


CHECK = Check(id="weighting-is-built", cases=train_cases(), holds=holds, examples=1)
