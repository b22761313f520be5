"""A row of a batch has the same logits, however many other rows there are.

## Why it matters
A batch is there to save time. What a text means must not depend on how many others are read along with it: a model that
is right for a few rows and not for many is trained wrongly, and tested rightly.

## Usual causes
- A buffer is made for a fixed number of rows.
- Rows are flattened into the time axis and cut apart again at the wrong places.
- A mean, a norm or a softmax runs over the rows too.
"""

from typing import Final

from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import logits_of
from grader.checks.snippets import model_snippet
from grader.checks.strategies import FEW, ModelCase, model_case, model_cases
from grader.extent import Extent, at_most
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward

USUAL: Final = (1, 2, 4, 8, 16, 24, 32)  # numbers of rows that batches have


def holds(case: ModelCase, context: Context) -> None:
    """The first rows of a batch, in float64 up to rounding: another number may be added up in another order."""
    tokens, rows = case.token_array(), len(case.tokens)
    counts = range(1, rows) if rows <= FEW else [count for count in USUAL if count < rows]
    batches = {f"tokens.{i}": tokens[:count].copy() for i, count in enumerate((*counts, rows))}
    answer = context.ask(Forward(config=case.config, weights=case.seeded(context.seeds)), batches)
    whole = logits_of(answer, f"logits.{len(counts)}", tokens)
    for i, count in enumerate(counts):
        if closeness(logits_of(answer, f"logits.{i}", tokens[:count]), whole[:count]) is None:
            raise CheckFailed(
                "rows-matter",
                "a row has the same logits, however many rows there are beside it",
                f"the first {count} of {rows} rows have other logits without the rest",
                grid=TokenGrid(tokens=case.tokens),
            )


def many_rows(extent: Extent) -> ModelCase:
    """Many rows of a few tokens."""
    return model_case(at_most(extent, tokens=7, layers=2))


def snippet(case: ModelCase) -> str:
    """Leave rows out from the end."""
    return model_snippet(
        case,
        """
whole = model(tokens)
for rows in range(1, len(tokens)):
    difference = (model(tokens[:rows]) - whole[:rows]).abs().max()
    print(rows, float(difference))
    assert difference <= 1e-5, f"the first {rows} rows have other logits without the rest"
""",
    )


CHECK = Check(
    id="rows-stand-alone",
    cases=model_cases(lengths=(1, 5), rows=(2, 6)),
    holds=holds,
    at_size=many_rows,
    snippet=snippet,
    needs=("forward-runs", "future-is-hidden", "past-is-seen", "same-token-other-position"),
    examples=2,
    costly=True,
)
