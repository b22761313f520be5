"""Only real tokens count towards block_size, and each row is held to it.

## Why it matters
What is padding depends on who else is in the batch. Counted, it would turn away a prompt that fits; and a limit that is
checked on one row, or on all together, lets another read positions that do not exist.

## Usual causes
- The width of the chunk is added up, instead of the longest row's tokens.
- Positions are looked up for padding too, though it stands beyond the last.
- The lengths of the chunk are checked, without what the rows have read before.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.ragged.agreement import rows_agree
from grader.checks.ragged.cases import CACHE_WORKS, RaggedCase, ragged_cases
from grader.checks.refusal import must_refuse
from grader.checks.strategies import extended
from grader.packages.package import PackageRaised
from grader.sandbox.questions import Decode

CLAIM = "a row that has no more than block_size tokens is read, whatever the padding of its chunks adds up to"


@st.composite
def full_cases(draw: DrawFn) -> RaggedCase:
    """The longest row fills the block, and the padding goes beyond."""
    case = draw(ragged_cases())
    return extended(case, RaggedCase, block_size=max(case.totals()), spare=1)


def holds(case: RaggedCase, context: Context) -> None:
    """All that fits must be read; one token more must not."""
    try:
        rows_agree(case, context, "full-differs", CLAIM)
    except PackageRaised as raised:
        if raised.unbuilt:
            raise
        seen = f"read in chunks of {case.told()} tokens, one number a row, of {case.block_size}: it raised {raised}"
        raise CheckFailed("padding-counted", CLAIM, seen, grid=case.grid()) from None
    steps, rows = len(case.lengths), len(case.tokens)
    one_more = Decode(config=case.config, weights=case.seeded(context.seeds), parents=tuple(range(-1, steps)))
    token = {f"chunk.{steps}": np.zeros((rows, 1), np.int64), f"lengths.{steps}": np.ones(rows, np.int64)}
    what = "one more token for each row, where one of them is full,"
    must_refuse(context, one_more, case.steps() | token, what, (case.block_size, case.block_size + 1))


CHECK = Check(
    id="ragged-limits",
    cases=full_cases(),
    holds=holds,
    needs=(*CACHE_WORKS, "cache-limits"),
    examples=3,
)
