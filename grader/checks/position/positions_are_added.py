"""What the first block reads is the row of the token plus the row of its position.

## Why it matters
Added, token and position each keep a direction of their own that later layers can read. Combined in another way, one
of them can be lost where the other is small, and weights that were trained with a sum mean nothing.

## Usual causes
- The two are multiplied, or one of them is scaled.
- Positions are counted from another end, along another axis, or not at all.
- The sum is computed and not kept.
"""

from typing import Final

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.silence import SILENT_BLOCKS, Factors, agrees, heard, silence
from grader.checks.snippets import model_snippet
from grader.record import TokenGrid
from grader.strategies import ModelCase, few_rows, model_cases

TABLES: Final[tuple[tuple[str, Factors], ...]] = (
    ("with a table of positions that is all zeros", {"position_embedding.weight": 0.0}),
    ("with a table of tokens that is all zeros", {"token_embedding.weight": 0.0}),
    ("with both tables", {}),
)


def holds(case: ModelCase, bench: Bench) -> None:
    """Blocks that add nothing: the logits are those of the sum, and of each table alone."""
    for what, factors in TABLES:
        if not agrees(case, bench, heard(case, bench, {**SILENT_BLOCKS, **factors})):
            raise Counterexample(
                f"sum-differs {what}",
                "without what blocks add, logits are those of the token's row plus the position's row",
                f"{what} and blocks that add nothing, the logits are others (in float64, beyond rounding)",
                grid=TokenGrid(tokens=case.tokens),
            )


def snippet(case: ModelCase) -> str:
    """The sum, and what follows when blocks add nothing."""
    return model_snippet(
        case,
        silence("attn.proj", "mlp.proj")
        + """
summed = model.token_embedding.weight[tokens] + model.position_embedding.weight[: tokens.size(1)]
difference = (model(tokens) - model.lm_head(model.ln_f(summed))).abs().amax(dim=2)  # (B, T)
print(difference)
assert (difference <= 1e-9).all(), "what the blocks read is not the sum of token and position"
""",
    )


CHECK = Check(
    id="positions-are-added",
    cases=model_cases(),
    holds=holds,
    at_size=few_rows,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes", "residual-stream"),
    examples=3,
)
