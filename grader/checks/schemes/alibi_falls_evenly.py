"""With ALiBi, each step back lowers a score by the same amount, which is the head's slope.

## Why it matters
That is all there is to it: no angles and no table, but a penalty that is proportional to the distance. With the wrong
sign it rewards what is far away. With one head the slope is 2^-8.

## Usual causes
- The bias is added with the wrong sign, or distances are.
- The bias is scaled together with the scores, by the square root of D.
- The first slope is 1 instead of 2^(-8/H).
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close
from grader.checks.schemes.cases import SchemeCase, one_layer_cases
from grader.checks.schemes.distances import by_distance
from grader.result.record import TokenGrid
from grader.sandbox.questions import Influence

SLOPE = 2.0**-8


def holds(case: SchemeCase, context: Context) -> None:
    """From step to step back, shares fall by the same factor."""
    question = Influence(config=case.config, weights=case.seeded(context.seeds), alike=True)
    shares = by_distance(context.ask(question, {"tokens": case.token_array()})["influence"])
    if not close(shares, np.exp(-SLOPE * np.arange(len(shares))), "shares of attention"):
        raise CheckFailed(
            "other-slope",
            "with one head each step back lowers the score by 2^-8",
            f"the first steps change it by {', '.join(f'{step:+.6f}' for step in np.diff(np.log(shares))[:3])}",
            grid=TokenGrid(tokens=case.tokens),
        )


CHECK = Check(
    id="alibi-falls-evenly",
    cases=one_layer_cases("alibi", d_model=6, lengths=(4, 7)),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=2,
)
