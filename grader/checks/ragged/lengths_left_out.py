"""Chunks with lengths and chunks without may follow each other.

## Why it matters
Where lengths are left out, all tokens are real: so a plain cache can be continued with rows that differ, and rows that
differ with one token each, as generating does.

## Usual causes
- A plain cache, which names no lengths, is taken for an empty one.
- Without lengths the plain path is taken, though the rows of the cache differ.
"""

from grader.checks.check import Check, Context
from grader.checks.ragged.agreement import rows_agree
from grader.checks.ragged.cases import CACHE_WORKS, RaggedCase, mixed_cases
from grader.checks.ragged.snippets import ragged_snippet

CLAIM = "where lengths are left out, all tokens of the chunk are real, and each row goes on where it stands"


def holds(case: RaggedCase, context: Context) -> None:
    """A plain chunk, one with lengths, and one that leaves them out again."""
    rows_agree(case, context, "mix-differs", CLAIM)


CHECK = Check(
    id="ragged-lengths-left-out",
    cases=mixed_cases(),
    holds=holds,
    snippet=ragged_snippet,
    needs=CACHE_WORKS,
    examples=4,
)
