"""What the first block reads is the row of the token plus the row of its position.

## Why it matters
Added, token and position each keep a direction of their own that later layers can read. Combined in another way, one
of them can be lost where the other is small, and weights that were trained with a sum mean nothing.

## Usual causes
- The two are multiplied, or one of them is scaled.
- Positions are counted from another end, along another axis, or not at all.
- The sum is computed and not kept.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.drawn_scale import FRESH, LARGE
from grader.checks.drawn_size import larger
from grader.checks.given import given, tables
from grader.checks.grids import beyond_rounding, logits_of
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward

SPLITS = 2


def holds(case: ModelCase, context: Context) -> None:
    """One text with tables that are drawn anew, all with the same sums: the logits are the same up to rounding."""
    for scale in (LARGE, FRESH):
        _judge(case, context, scale)


def _judge(case: ModelCase, context: Context, scale: float) -> None:
    tokens = case.token_array()[:1]
    random = np.random.default_rng(context.seeds.derive("sums", case.weights))
    stream = random.normal(0.0, scale, (case.length, case.d_model))
    question = Forward(config=case.config, weights=case.seeded(context.seeds, scale=scale))
    splits = [tables(case, stream, random.normal(0.0, scale, (case.block_size, case.d_model))) for _ in range(SPLITS)]
    answers = [context.ask(question, {"tokens.0": tokens, **given(split)}) for split in splits]
    first, *others = (logits_of(answer, "logits.0", tokens) for answer in answers)
    if any(beyond_rounding(other, first).any() or not np.isfinite(other).all() for other in others):
        raise CheckFailed(
            "sum-differs",
            "the logits depend on the tables of tokens and positions by their sums alone",
            "a number was moved from each row of the one table to the other's, and the logits moved",
            grid=TokenGrid(tokens=case.tokens[:1]),
        )


def confirm(case: ModelCase, context: Context) -> None:
    """The same of a model that is wider than the default one."""
    holds(larger(case, context.seeds), context)


def snippet(case: ModelCase) -> str:
    """Tables with other rows and the same sums."""
    return model_snippet(
        case,
        """
tokens = tokens[:1]  # all distinct
before, T = model(tokens), tokens.size(1)
moved = torch.randn_like(model.position_embedding.weight[:T])
model.position_embedding.weight[:T] += moved
model.token_embedding.weight[tokens[0]] -= moved
difference = (model(tokens) - before).abs().amax(dim=2)  # (1, T)
print(difference)
assert (difference <= 1e-9).all(), "what the blocks read is not the sum of token and position"
""",
    )


CHECK = Check(
    id="positions-are-added",
    cases=model_cases(distinct=True),
    holds=holds,
    confirm=confirm,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes", "past-is-seen"),
    examples=3,
)
