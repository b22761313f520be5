"""Swapping two earlier tokens changes what comes after them.

## Why it matters
In a single layer, attention without positions only counts which tokens came before, not in which order.
(Deeper models leak some order through the causal mask, which hides the bug. That is why this is asked of
one layer.)

## Usual causes
- The position embedding never reaches the residual stream.
- All tokens get the embedding of one position.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.drawn_scale import drawn_scale
from grader.checks.grids import altered, beyond_rounding, logits_of, places
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.sandbox.questions import Forward
from grader.sandbox.wire import Array, Tensors


def holds(case: ModelCase, context: Context) -> None:
    """The first two tokens change places; the last logits must move where a correct model's move."""
    swapped = case.token_array()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]
    question = Forward(config=case.config, weights=case.seeded(context.seeds, scale=drawn_scale(case)))
    answer, variant = context.both(question, {"tokens.0": case.token_array(), "tokens.1": swapped})
    for name in ("logits.0", "logits.1"):
        logits_of(answer, name, swapped)
    moved, must_move = _moved(answer), _moved(variant)
    still = [(row, t) for row, t in places(must_move & ~moved) if t == case.length - 1]
    if still:
        raise CheckFailed(
            "order-blind",
            "the last logits depend on the order of the tokens before",
            "the first two tokens changed places, and the last logits stayed the same up to rounding",
            grid=altered(case.token_array(), swapped, moved=places(moved), wrong=still),
        )


def _moved(answer: Tensors) -> Array:
    return beyond_rounding(answer["logits.1"], answer["logits.0"])


def snippet(case: ModelCase) -> str:
    """Swap the first two tokens."""
    return model_snippet(
        case,
        """
swapped = tokens.clone()
swapped[:, [0, 1]] = swapped[:, [1, 0]]
rows = tokens[:, 0] != tokens[:, 1]  # rows where the swap changes something
moved = (model(tokens) - model(swapped))[rows, -1].abs().amax(dim=1)
print(moved)
assert (moved > 1e-6).all(), "the order of earlier tokens does not matter"
""",
    )


CHECK = Check(
    id="order-matters",
    cases=model_cases(layers=(1,), lengths=(3, 6)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "past-is-seen", "attention-alone"),
    examples=5,
)
