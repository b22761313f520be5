"""Every earlier token, and the token itself, still reaches the logits.

## Why it matters
A mask that hides too much is as wrong as one that hides too little: the model forgets what it has read, and
no test for leaks from the future will ever notice.

## Usual causes
- The mask also hides the diagonal, so that a position cannot attend to itself (its first row is then NaN).
- The mask is flipped, or a window is cut around each position.
- Rows and columns of the mask are swapped.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.drawn_scale import drawn_scale
from grader.checks.grids import altered, moved_rows
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_case, model_cases, positions_to_try
from grader.extent import Extent, at_most
from grader.sandbox.questions import Forward


def holds(case: ModelCase, context: Context) -> None:
    """One token of each row is changed at a time; logits must move wherever they move in a correct model."""
    places = positions_to_try(case)  # each (B,)
    questions = [case.token_array() for _ in range(len(places) + 1)]
    rows = np.arange(len(case.tokens))
    for tokens, at in zip(questions[1:], places, strict=True):
        tokens[rows, at] = (tokens[rows, at] + 1) % case.vocab_size
    question = Forward(config=case.config, weights=case.seeded(context.seeds, scale=drawn_scale(case)))
    answer, variant = context.both(question, {f"tokens.{i}": tokens for i, tokens in enumerate(questions)})
    for i, at in enumerate(places, 1):
        moved = moved_rows(answer[f"logits.{i}"], answer["logits.0"])
        must_move = moved_rows(variant[f"logits.{i}"], variant["logits.0"])
        still = sorted({(row, t) for row, t in must_move if t >= at[row]}.difference(moved))
        if still:
            row, t = still[0]
            raise CheckFailed(
                "hidden-past",
                "changing a token moves the logits at its own position and at later ones",
                f"the token at position {at[row]} was changed, and the logits at position {t} did not move",
                grid=altered(questions[0], questions[i], moved=moved, wrong=still),
            )


def one_layer(extent: Extent) -> ModelCase:
    """Some texts of these sizes in a model of one layer: what a layer does not see, the next one may see through it."""
    return model_case(at_most(extent, layers=1, rows=8))


def snippet(case: ModelCase) -> str:
    """Change each token by itself and look at its own position."""
    return model_snippet(
        case,
        f"""
for s in range(tokens.size(1)):
    changed = tokens.clone()
    changed[:, s] = (changed[:, s] + 1) % {case.vocab_size}
    moved = (model(tokens) != model(changed)).any(dim=2)  # (B, T)
    print(s, moved.int().tolist())
    assert moved[:, s:].all(), f"the token at position {{s}} does not reach every later position"
""",
    )


CHECK = Check(
    id="past-is-seen",
    cases=model_cases(),
    holds=holds,
    in_training=True,
    at_size=one_layer,
    snippet=snippet,
    needs=("forward-runs",),
    examples=4,
)
