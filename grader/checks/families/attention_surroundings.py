"""Checks that what a text means depends on nothing beside it: not on what follows, nor on other rows."""

from typing import Final

from grader.checks.agreement import closeness
from grader.checks.check import CheckFailed, Context, check
from grader.checks.families.masking import future_is_hidden, past_is_seen
from grader.checks.families.position import same_token_other_position
from grader.checks.families.projection import forward_runs
from grader.checks.requirements import logits_of
from grader.checks.snippets import model_snippet
from grader.checks.strategies import FEW, ModelCase, model_case, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward
from grader.sizes import Extent, at_most


def _prefix_stands_alone_snippet(case: ModelCase) -> str:
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


@check(
    family="attention",
    cases=model_cases(lengths=(3, 7)),
    snippet=_prefix_stands_alone_snippet,
    needs=(forward_runs, future_is_hidden),
    examples=4,
)
def prefix_stands_alone(case: ModelCase, context: Context) -> None:
    """The beginning of a text by itself has the logits that it has within the whole.

    ## Why it matters
    What a position computes may depend on what came before it, and on nothing else: not on later tokens, and not on how
    many there are. A model that knows the length is another model for each length, and trained at one only.

    ## Usual causes
    - The scores are scaled by the number of tokens instead of the width.
    - A softmax or a mean runs over the positions that look instead of those looked at.
    - Positions are counted from the end of the sequence.
    """
    # Every prefix, in float64 up to rounding: another length may be added up in another order.
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


USUAL: Final = (1, 2, 4, 8, 16, 24, 32)  # numbers of rows that batches have


def many_rows(extent: Extent) -> ModelCase:
    """Many rows of a few tokens."""
    return model_case(at_most(extent, tokens=7, layers=2))


def _rows_stand_alone_snippet(case: ModelCase) -> str:
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


@check(
    family="attention",
    cases=model_cases(lengths=(1, 5), rows=(2, 6)),
    at_size=many_rows,
    snippet=_rows_stand_alone_snippet,
    needs=(forward_runs, future_is_hidden, past_is_seen, same_token_other_position),
    examples=2,
    costly=True,
)
def rows_stand_alone(case: ModelCase, context: Context) -> None:
    """A row of a batch has the same logits, however many other rows there are.

    ## Why it matters
    A batch is there to save time. What a text means must not depend on how many others are read along with it: a model
    that is right for a few rows and not for many is trained wrongly, and tested rightly.

    ## Usual causes
    - A buffer is made for a fixed number of rows.
    - Rows are flattened into the time axis and cut apart again at the wrong places.
    - A mean, a norm or a softmax runs over the rows too.
    """
    # The first rows of a batch, in float64 up to rounding: another number may be added up in another order.
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
