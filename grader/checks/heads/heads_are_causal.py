"""With several heads, changing a later token never changes the logits before it.

## Why it matters
A mask can be right and the future leak all the same: when axes are mixed up where heads are cut or joined, what
the mask calls a position is not one. A model of one head has nothing to mix up, and shows nothing.

## Usual causes
- Heads are cut by a reshape to (B, H, T, D), without swapping axes after a reshape to (B, T, H, D).
- The results of the heads are reshaped to (B, T, C) without swapping the axes back before.
- The mask is broadcast along the wrong axis of the scores (B, H, T, T).
"""

from grader.checks.check import Check, Context
from grader.checks.heads.cases import HeadCase, head_case, head_cases
from grader.checks.masking import future_is_hidden


def holds(case: HeadCase, context: Context) -> None:
    """What is asked of one head."""
    future_is_hidden.holds(case, context)


CHECK = Check(
    id="heads-are-causal",
    cases=head_cases(),
    holds=holds,
    confirm=future_is_hidden.confirm,
    at_size=head_case,
    snippet=future_is_hidden.snippet,
    needs=("forward-runs", "future-is-hidden"),
    examples=4,
)
