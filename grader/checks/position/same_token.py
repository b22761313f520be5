"""The same token at different positions gives different logits.

## Why it matters
Attention by itself has no notion of order. Without positions, "dog bites man" and "man bites dog" are the
same bag of words.

## Usual causes
- The position embedding is computed and not added, or the sum is thrown away.
- Every position looks up the same row of the table.
- Positions are counted along the batch instead of along time.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.drawn_scale import drawn_scale
from grader.checks.grids import beyond_rounding, logits_of
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_case, model_cases
from grader.extent import MODEL, Extent, at_most
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward
from grader.sandbox.wire import Array


def one_token(case: ModelCase) -> Array:
    """Each row of the case repeats its first token."""
    return np.repeat(case.token_array()[:, :1], case.length, axis=1)


def holds(case: ModelCase, context: Context) -> None:
    """In one layer, a row that repeats one token has different logits at every position."""
    tokens = one_token(case)
    question = Forward(config=case.config, weights=case.seeded(context.seeds, scale=drawn_scale(case)))
    answer, variant = context.both(question, {"tokens.0": tokens})
    told, expected = _apart(logits_of(answer, "logits.0", tokens)), _apart(variant["logits.0"])
    blind = np.argwhere(expected & ~told)
    if len(blind):
        row, t = (int(i) for i in blind[0])
        raise CheckFailed(
            "position-blind",
            "a repeated token has different logits at different positions",
            f"the same token stands at positions {t} and {t + 1}, and the logits are the same",
            grid=TokenGrid(tokens=tuple(map(tuple, tokens.tolist())), named=((row, t), (row, t + 1))),
        )


def one_layer(extent: Extent) -> ModelCase:
    """A batch of the default sizes, or beyond them many short rows for a single layer."""
    return model_case(at_most(extent, layers=1, tokens=12) if extent.draw else extent)


def _apart(logits: Array) -> Array:
    """(B, T - 1): whether the logits at t and t + 1 differ by more than rounding. NaN differs from nothing."""
    return beyond_rounding(logits[:, 1:], logits[:, :-1])


def snippet(case: ModelCase) -> str:
    """One token, repeated."""
    return model_snippet(
        case,
        """
logits = model(tokens[:, :1].repeat(1, tokens.size(1)))
steps = logits.diff(dim=1).abs().amax(dim=2)  # (B, T - 1)
print(steps)
assert (steps > 1e-6).all(), "the same token has the same logits at different positions"
""",
    )


CHECK = Check(
    id="same-token-other-position",
    cases=model_cases(layers=(1,)),
    holds=holds,
    in_training=True,
    at_size=one_layer,
    default=MODEL,
    snippet=snippet,
    needs=("forward-runs", "past-is-seen"),
    examples=4,
)
