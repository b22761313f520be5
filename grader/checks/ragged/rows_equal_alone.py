"""Rows of different lengths, decoded in one batch, have the logits that each of them has alone.

## Why it matters
Prompts that arrive together are seldom of one length. A batch saves time only if nobody can tell from an answer who
else was in it.

## Usual causes
- Positions are counted for the longest row, so that shorter rows go on too far to the right.
- Padding is cached with the rest, and what comes next is put behind it.
- One mask is made for all rows, where each needs its own.
- The cache remembers how long the rows of the last chunk were, and not how long they are in sum.
"""

from grader.checks.check import Check, Context
from grader.checks.ragged.agreement import rows_agree
from grader.checks.ragged.cases import CACHE_WORKS, RaggedCase, ragged_case, ragged_cases
from grader.checks.ragged.snippets import ragged_snippet

CLAIM = "a row of a batch has the logits that it has alone (in float64, up to rounding), whatever the others' lengths"


def holds(case: RaggedCase, context: Context) -> None:
    """Every chunk brings every row a token at least."""
    rows_agree(case, context, "rows-differ", CLAIM)


CHECK = Check(
    id="ragged-rows-equal-alone",
    cases=ragged_cases(),
    holds=holds,
    at_size=ragged_case,
    snippet=ragged_snippet,
    needs=CACHE_WORKS,
    examples=8,
)
