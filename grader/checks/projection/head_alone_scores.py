"""The logits come from the head and nothing else: twice its weights give twice the logits.

## Why it matters
The head has a row for each token, trained to score it. Logits that are made with another matrix of that shape, or to
which something is added, look like any others until weights are loaded that were trained elsewhere.

## Usual causes
- The token embedding is used in place of the head, as in models that tie the two.
- The head has a bias.
"""

from grader.checks.ablation import logits_with
from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid


def holds(case: ModelCase, context: Context) -> None:
    """The head's weights are doubled."""
    single, double = logits_with(case, context, {}), logits_with(case, context, {"lm_head.weight": 2.0})
    if closeness(double, 2 * single) is None:
        raise CheckFailed(
            "not-the-head",
            "the logits are the head's, and double with its weights",
            "with twice the weights in lm_head.weight the logits are not twice as large",
            grid=TokenGrid(tokens=case.tokens),
        )


def snippet(case: ModelCase) -> str:
    """Double the head."""
    return model_snippet(
        case,
        """
before = model(tokens)
model.lm_head.weight *= 2
off = (model(tokens) - 2 * before).abs().amax(dim=(0, 1))  # (V,)
print(off)
assert (off <= 1e-9).all(), "twice the weights of the head do not give twice the logits"
""",
    )


CHECK = Check(
    id="head-alone-scores",
    cases=model_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes"),
    examples=3,
)
