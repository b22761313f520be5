"""Every earlier token, and the token itself, still reaches the logits.

## Why it matters
A mask that hides too much is as wrong as one that hides too little: the model forgets what it has read, and
no test for leaks from the future will ever notice.

## Usual causes
- The mask also hides the diagonal, so that a position cannot attend to itself (its first row is then NaN).
- The mask is flipped, or a window is cut around each position.
- Rows and columns of the mask are swapped.
"""

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.drawn_scale import drawn_scale
from grader.checks.grids import altered, moved_rows
from grader.checks.snippets import model_snippet
from grader.sandbox.questions import Forward
from grader.strategies import ModelCase, model_cases


def holds(case: ModelCase, bench: Bench) -> None:
    """One token is changed at a time; logits must move wherever they move in a correct model."""
    questions = [case.token_array() for _ in range(case.length + 1)]
    for s in range(case.length):
        questions[s + 1][:, s] = (questions[s + 1][:, s] + 1) % case.vocab_size
    question = Forward(config=case.config, weights=case.seeded(bench.seeds, scale=drawn_scale(case)))
    answer, matched = bench.both(question, {f"tokens.{i}": tokens for i, tokens in enumerate(questions)})
    for s in range(case.length):
        moved = moved_rows(answer[f"logits.{s + 1}"], answer["logits.0"])
        must_move = moved_rows(matched[f"logits.{s + 1}"], matched["logits.0"])
        still = [(row, t) for row, t in must_move if t >= s and (row, t) not in set(moved)]
        if still:
            raise Counterexample(
                "hidden-past",
                "changing a token moves the logits at its own position and at later ones",
                f"the token at position {s} was changed, and the logits at position {still[0][1]} did not move",
                grid=altered(questions[0], questions[s + 1], moved=moved, wrong=still),
            )


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
    snippet=snippet,
    needs=("forward-runs",),
    examples=4,
)
