"""The beginning of a text by itself has the logits that it has within the whole.

## Why it matters
What a position computes may depend on what came before it, and on nothing else: not on later tokens, and not on how
many there are. A model that knows the length is another model for each length, and trained at one only.

## Usual causes
- The scores are scaled by the number of tokens instead of the width.
- A softmax or a mean runs over the positions that look instead of those looked at.
- Positions are counted from the end of the sequence.
"""

from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import logits_of
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward


def holds(case: ModelCase, context: Context) -> None:
    """Every prefix, in float64 up to rounding: another length may be added up in another order."""
    tokens = case.token_array()
    prefixes = {f"tokens.{n - 1}": tokens[:, :n].copy() for n in range(1, case.length + 1)}
    answer = context.ask(Forward(config=case.config, weights=case.seeded(context.seeds)), prefixes)
    whole = logits_of(answer, f"logits.{case.length - 1}", tokens)
    for n in range(1, case.length):
        alone = logits_of(answer, f"logits.{n - 1}", tokens[:, :n])
        if closeness(alone, whole[:, :n]) is None:
            raise CheckFailed(
                "length-matters",
                "the first tokens alone have the same logits as at the beginning of a longer text",
                f"the first {n} of {case.length} tokens have other logits when they stand alone",
                grid=TokenGrid(tokens=case.tokens),
            )


def snippet(case: ModelCase) -> str:
    """Cut the tokens off after each position."""
    return model_snippet(
        case,
        """
whole = model(tokens)
for n in range(1, tokens.size(1)):
    difference = (model(tokens[:, :n]) - whole[:, :n]).abs().max()
    print(n, float(difference))
    assert difference <= 1e-5, f"the first {n} tokens have other logits when they stand alone"
""",
    )


CHECK = Check(
    id="prefix-stands-alone",
    cases=model_cases(lengths=(3, 7)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "future-is-hidden"),
    examples=4,
)
