"""With very large attention scores the logits stay finite and still do not see the future.

## Why it matters
Trained models do produce large scores. A mask made of a large negative number instead of minus infinity
is drowned by them, and a mask that hides a whole row gives NaN.

## Usual causes
- The mask adds a fixed number such as -1e4 instead of filling with minus infinity.
- Hidden weights are multiplied by zero after the softmax.
- A row of the mask hides everything, so its softmax is 0 / 0.
"""

from grader.checks.check import Check, Context
from grader.checks.masking import future_is_hidden
from grader.checks.strategies import ModelCase, few_rows, model_cases

SCALE = 1e5  # scores of some ten thousands: most rows have none that is not far below a mask of -1e4


def holds(case: ModelCase, context: Context) -> None:
    """The property of ``future_is_hidden``, and no NaN, with queries multiplied by a large factor."""
    future_is_hidden.holds(case, context, query_scale=SCALE)


def confirm(case: ModelCase, context: Context) -> None:
    """The confirmation of ``future_is_hidden`` with large queries, and with others: large ones may see one key."""
    future_is_hidden.confirm(case, context, query_scale=SCALE)
    future_is_hidden.confirm(case, context)


def snippet(case: ModelCase) -> str:
    """The snippet of ``future_is_hidden`` with large queries."""
    return future_is_hidden.snippet(case, query_scale=SCALE)


CHECK = Check(
    id="large-scores",
    cases=model_cases(lengths=(2, 5)),
    holds=holds,
    confirm=confirm,
    at_size=few_rows,
    snippet=snippet,
    needs=("forward-runs",),
    examples=6,
)
