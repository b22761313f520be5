"""Trained on odd and even tokens, the classifier tells new ones apart.

## Why it matters
Shapes and losses can be right while the head sees the wrong hidden state, or none of the gradient.

## Usual causes
- The head always answers the same class.
- Labels are shifted against the tokens.
- The optimizer never sees the head's parameters.
"""

import numpy as np

from grader.checks.check import Check, Context
from grader.checks.classifier.learning import FitCase, fit_cases, judge


def holds(case: FitCase, context: Context) -> None:
    """The class of a token is its parity."""
    judge(case, context, np.arange(case.vocab_size) % 2)


CHECK = Check(
    id="learns-parity",
    needs=("forward-runs",),
    cases=fit_cases(classes=(2,)),
    holds=holds,
    examples=1,
)
