"""Trained on classes drawn at random for this grade, the classifier learns those too.

## Why it matters
A head that was written to know odd from even has learnt nothing. Given other labels it has to learn those.

## Usual causes
- The answer is computed from the token instead of from the hidden state.
- The head has room for two classes only.
"""

import numpy as np

from grader.checks.check import Check, Context
from grader.checks.classifier.learning import FitCase, fit_cases, judge


def holds(case: FitCase, context: Context) -> None:
    """Each token has a class of its own drawing; all classes occur."""
    random = np.random.default_rng(context.seeds.derive("class map", case.data))
    class_of = random.permutation(np.arange(case.vocab_size) % case.n_classes)
    judge(case, context, class_of)


CHECK = Check(
    id="learns-any-map",
    needs=("forward-runs",),
    cases=fit_cases(classes=(3, 4)),
    holds=holds,
    examples=1,
)
