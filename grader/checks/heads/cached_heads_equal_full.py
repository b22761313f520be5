"""With several heads, decoding in chunks gives the same logits as one forward over everything.

## Why it matters
Cached decoding is a second path through attention. It has to cut, mask and join the heads like the first, and it is
the path that a reader of the generated text gets.

## Usual causes
- New keys and values are put behind the old ones along the wrong axis.
- One of the two paths cuts or joins the heads otherwise.
- What is cached has been joined already, so that heads are cut from it again, and differently.
"""

from grader.checks.cache import cached_equals_full
from grader.checks.cache.cases import MODEL_WORKS
from grader.checks.check import Check, Context
from grader.checks.heads.cases import HeadDecodeCase, head_decode_case, head_decode_cases


def holds(case: HeadDecodeCase, context: Context) -> None:
    """What is asked of one head."""
    cached_equals_full.holds(case, context)


CHECK = Check(
    id="cached-heads-equal-full",
    cases=head_decode_cases(),
    holds=holds,
    at_size=head_decode_case,
    snippet=cached_equals_full.snippet,
    needs=(*MODEL_WORKS, "cached-equals-full"),
    examples=6,
)
