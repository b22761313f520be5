"""The weights that a position gives to what it sees sum to one, to the digits of a float32 at least.

## Why it matters
Attention hands on a mean. With weights that do not sum to one it also scales what it hands on, by another factor at
each position, and the errors of all layers multiply.

## Usual causes
- The softmax is computed in sixteen bits, where three digits are left.
- Weights are set to zero after the softmax.
- The softmax runs over the wrong axis.
"""

from typing import Final

from grader.checks.ablation import Factors, logits_with
from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid

ALIKE: Final[Factors] = {"attn.value.weight": 0.0, "attn.value.bias": 4.0}  # the mean of equal values is that value
OTHER_SCORES: Final[Factors] = {"attn.query.weight": 0.0, "attn.query.bias": 0.0}


def holds(case: ModelCase, context: Context) -> None:
    """All values are alike; then no score matters."""
    some, others = logits_with(case, context, ALIKE), logits_with(case, context, {**ALIKE, **OTHER_SCORES})
    if closeness(some, others) is None:
        raise CheckFailed(
            "not-a-mean",
            "the mean of values that are all alike is that value, whatever the scores",
            "with values that are all alike, other scores gave other logits (beyond the rounding of a float32)",
            grid=TokenGrid(tokens=case.tokens),
        )


def snippet(case: ModelCase) -> str:
    """Make all values alike, then all scores zero."""
    return model_snippet(
        case,
        """
for block in model.blocks:
    block.attn.value.weight.zero_()  # every value is the bias
before = model(tokens)
for block in model.blocks:
    block.attn.query.weight.zero_()
    block.attn.query.bias.zero_()  # every score is zero
moved = (model(tokens) - before).abs().amax(dim=2)  # (B, T)
print(moved)
assert (moved <= 1e-5).all(), "the mean of equal values depends on the scores"
""",
    )


CHECK = Check(
    id="weights-sum-to-one",
    cases=model_cases(lengths=(3, 7)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes"),
    examples=4,
)
