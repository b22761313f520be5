"""With every position scheme, changing a later token never changes the logits before it.

## Why it matters
A scheme that lives in attention comes with attention of its own, and the mask has to be in it too, also where scores
have grown large. Learned positions say nothing about that.

## Usual causes
- What a scheme adds to the scores is added after the mask, or in the place of the mask.
- The mask is a large negative number that a bias outweighs.
- Distances to keys that come later are negative, and pick a bias from the end of a table.
"""

from grader.checks.check import Check, Context
from grader.checks.masking import future_is_hidden
from grader.checks.schemes.cases import SchemeCase, each_scheme, scheme_cases, under
from grader.checks.schemes.snippets import scheme_snippet

SCALE = 1e6  # of queries: whatever number a mask adds, half of all scores are further below zero


def holds(case: SchemeCase, context: Context) -> None:
    """What is asked of learned positions, of each scheme that is built."""
    for asked in each_scheme(case, context):
        with under(asked.position):
            future_is_hidden.holds(asked, context)
            future_is_hidden.holds(asked, context, query_scale=SCALE)


def confirm(case: SchemeCase, context: Context) -> None:
    """In fresh workers, each of the schemes."""
    for asked in each_scheme(case, context):
        with under(asked.position):
            future_is_hidden.confirm(asked, context)


def snippet(case: SchemeCase) -> str:
    """Change the last token; print and require what must not move."""
    return scheme_snippet(
        case,
        f"""
changed = tokens.clone()
changed[:, -1] = (changed[:, -1] + 1) % {case.vocab_size}
moved = (model(tokens) - model(changed))[:, :-1].abs().amax(dim=(0, 2))
print(position, moved)  # one number a position: all must be 0
assert not moved.any(), f"with position={{position!r}} a later token moved earlier logits"
""",
    )


CHECK = Check(
    id="schemes-are-causal",
    cases=scheme_cases(lengths=(2, 4), rows=(2, 3)),
    holds=holds,
    confirm=confirm,
    snippet=snippet,
    needs=("forward-runs", "future-is-hidden"),
    examples=3,
)
