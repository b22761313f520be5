"""Adding one number to all scores of a row changes nothing, however large it is.

## Why it matters
A softmax only cares for differences, and nothing in a model bounds its scores. What works while all of them are near
zero, such as a large number in place of infinity, fails in the model that has trained for a while.

## Usual causes
- Hidden scores are filled with a number that a score can be lower than.
- Exponentials are taken without subtracting the largest score before.
- Scores are kept in a type that overflows early.
"""

from typing import Final

from grader.checks.ablation import Factors, logits_with
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid

# A bias of the keys adds query . bias to all scores of the query's row, here tens of thousands in either direction.
SHIFT: Final = 1e5


def holds(case: ModelCase, context: Context) -> None:
    """The biases of the keys are multiplied, and nothing may come of it but rounding."""
    shifted: Factors = {"attn.key.bias": SHIFT}
    if not close(logits_with(case, context, shifted), logits_with(case, context, {}), "logits, large scores"):
        raise CheckFailed(
            "shift-matters",
            "the weights of a row depend on the differences of its scores alone",
            f"with the biases of the keys {SHIFT:g} times as large, which shifts whole rows, the logits are others",
            grid=TokenGrid(tokens=case.tokens),
        )


def snippet(case: ModelCase) -> str:
    """Shift the rows by the biases of the keys."""
    return model_snippet(
        case,
        f"""
before = model(tokens)
for block in model.blocks:
    block.attn.key.bias *= {SHIFT:g}  # adds query . bias to all scores of a row
moved = (model(tokens) - before).abs().amax(dim=2) / before.abs().max()  # (B, T)
print(moved)
assert (moved <= 0.05).all(), "shifting the scores of a row alike changes its weights"
""",
    )


CHECK = Check(
    id="score-shifts-cancel",
    cases=model_cases(lengths=(4, 7), rows=(2, 3)),  # many rows: half of them are shifted upwards, and hide nothing
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes", "future-is-hidden"),
    examples=5,
)
