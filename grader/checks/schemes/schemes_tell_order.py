"""With every position scheme, swapping two earlier tokens changes what comes after them.

## Why it matters
This is what positions are for. A scheme that is asked for and never reaches the scores, or the residual stream, leaves
a model that counts tokens and does not read them in order. It trains, and deeper models hide it.

## Usual causes
- The scheme is made and then not used.
- Only queries, or only keys, are told where they stand.
- All distances come out alike, because they are clamped from the wrong side.
"""

from grader.checks.check import Check, Context
from grader.checks.position import order_matters
from grader.checks.schemes.cases import SchemeCase, each_scheme, scheme_cases, under
from grader.checks.schemes.snippets import scheme_snippet


def holds(case: SchemeCase, context: Context) -> None:
    """What is asked of learned positions, of each scheme that is built."""
    for asked in each_scheme(case, context):
        with under(asked.position):
            order_matters.holds(asked, context)


def snippet(case: SchemeCase) -> str:
    """Swap the first two tokens."""
    return scheme_snippet(
        case,
        """
swapped = tokens.clone()
swapped[:, [0, 1]] = swapped[:, [1, 0]]
rows = tokens[:, 0] != tokens[:, 1]  # rows where the swap changes something
moved = (model(tokens) - model(swapped))[rows, -1].abs().amax(dim=1)
print(position, moved)
assert (moved > 1e-6).all(), f"with position={position!r} the order of earlier tokens does not matter"
""",
    )


CHECK = Check(
    id="schemes-tell-order",
    cases=scheme_cases(layers=(1,), lengths=(3, 5)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "past-is-seen", "order-matters"),
    examples=3,
)
