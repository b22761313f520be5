"""With several heads too, a cache that was passed in is left as it was.

## Why it matters
Attention with several heads often has a cached path of its own. What is joined to the cache there must not be written
into it: another continuation of the same cache would read it.

## Usual causes
- New keys are written into the old tensors in one of the two paths.
"""

from grader.checks.cache import cache_unchanged
from grader.checks.cache.cases import MODEL_WORKS
from grader.checks.check import Check, Context
from grader.checks.heads.cases import HeadDecodeCase, head_decode_cases


def holds(case: HeadDecodeCase, context: Context) -> None:
    """What is asked of one head."""
    cache_unchanged.holds(case, context)


CHECK = Check(
    id="cached-heads-unchanged",
    cases=head_decode_cases(),
    holds=holds,
    needs=(*MODEL_WORKS, "cache-unchanged"),
    examples=3,
)
