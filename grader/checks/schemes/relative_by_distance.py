"""With relative positions a score depends on the distance alone, and every distance has its own say.

## Why it matters
What was learned for three steps back then holds for three steps back anywhere in the text. That is what sets learned
distances apart from a table of learned positions.

## Usual causes
- The table is looked up by the key's position, or by the query's, instead of by their difference.
- Distances are clamped from the wrong side, so that all of them are zero.
- Far distances are clamped to the same entry, though the table has room for a block.
- What is learned is added to the tokens, and not to the scores.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.schemes.cases import SchemeCase, one_layer_cases
from grader.checks.schemes.distances import by_distance
from grader.result.record import TokenGrid
from grader.sandbox.questions import Influence


def holds(case: SchemeCase, context: Context) -> None:
    """Scores by distance, each unlike the others."""
    question = Influence(config=case.config, weights=case.seeded(context.seeds), alike=True)
    scores = np.log(by_distance(context.ask(question, {"tokens": case.token_array()})["influence"]))
    order = np.argsort(scores)
    alike = np.flatnonzero(np.diff(scores[order]) < 1e-7)
    if len(alike):
        one, other = sorted(int(order[i]) + 1 for i in (alike[0], alike[0] + 1))
        raise CheckFailed(
            "distances-alike",
            "every distance within a block has a score of its own",
            f"{one} and {other} steps back are scored alike",
            grid=TokenGrid(tokens=case.tokens),
        )


CHECK = Check(
    id="relative-by-distance",
    cases=one_layer_cases("relative", d_model=6, lengths=(5, 8)),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=3,
)
