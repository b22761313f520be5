"""A row may have no token in a chunk: one that is done, one that waits, one that joins later.

## Why it matters
Rows of a batch end at different times. As long as those that are done cannot be left out, each batch takes as long as
its longest row, and nothing new can begin in between.

## Usual causes
- A length of zero is taken for no length at all.
- What pads the chunk of a row without tokens is cached, and what that row reads next is put behind it.
- A row that has nothing to look at yet gives NaN, and what is multiplied by zero later stays NaN.
"""

from grader.checks.check import Check, Context
from grader.checks.ragged.agreement import rows_agree
from grader.checks.ragged.cases import CACHE_WORKS, RaggedCase, ragged_cases
from grader.checks.ragged.snippets import ragged_snippet

CLAIM = "a row that has no token in some chunk has the logits that it has alone (in float64, up to rounding)"


def holds(case: RaggedCase, context: Context) -> None:
    """Some chunk brings some row nothing, be it the first, the last or one between."""
    rows_agree(case, context, "pause-shows", CLAIM)


CHECK = Check(
    id="ragged-rows-may-pause",
    cases=ragged_cases(chunks=(2, 4), least=0),
    holds=holds,
    snippet=ragged_snippet,
    needs=CACHE_WORKS,
    examples=8,
)
