"""Decoded from a cache, a model says in bfloat16 what it says in float64, however far the text has gone.

## Why it matters
Decoding is what is done in short floats most of all, and what goes on longest. It has a count of its own of where the
next token stands, beside the one of the plain forward.

## Usual causes
- The position of the next token is counted in the model's own numbers: bfloat16 has no 257.
- Lengths of rows are kept in a short type.
- Keys and values are cached in another type than they are computed in.
"""

from typing import Final

import numpy as np
from hypothesis import strategies as st

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import logits_of
from grader.checks.stability.cases import LongCase, long_case, near
from grader.sandbox.questions import Decode, Precision
from grader.sandbox.wire import Array

LENGTH: Final = 300  # bfloat16 counts to 256
CACHED: Final = 270
WAYS: Final = (f"after {CACHED} tokens", "with lengths")
SPARE: Final = 20  # a position that is rounded up finds another one's row, and not the end of the table


def holds(case: LongCase, context: Context) -> None:
    """All in two chunks, and all at once with its length, beside the same in float64."""
    short, exact = _decoded(case, context, "bfloat16"), _decoded(case, context, "float64")
    for way in WAYS:
        if not near(short[way], exact[way], "bfloat16"):
            raise CheckFailed(
                f"other-logits {way}",
                "decoded in bfloat16 the logits are those of float64, up to rounding",
                f"decoded {way} they are others, by more than rounding explains",
            )


def _decoded(case: LongCase, context: Context, precision: Precision) -> dict[str, Array]:
    """The logits of the second chunk, and those of a chunk that says how long it is."""
    tokens = case.token_array(context)
    first, second = np.ascontiguousarray(tokens[:, :CACHED]), np.ascontiguousarray(tokens[:, CACHED:])
    question = Decode(config=case.config, weights=case.seeded(context), precision=precision, parents=(-1, 0, -1))
    chunks = {"chunk.0": first, "chunk.1": second, "chunk.2": tokens, "lengths.2": np.array([tokens.size])}
    answer = context.ask(question, chunks)
    logits = (logits_of(answer, "logits.1", second), logits_of(answer, "logits.2", tokens))
    return dict(zip(WAYS, logits, strict=True))


CHECK = Check(
    id="cached-precisions-agree",
    cases=st.just(long_case(LENGTH, spare=SPARE)),
    holds=holds,
    needs=("forward-runs", "cached-equals-full", "precisions-agree"),
    examples=1,
)
