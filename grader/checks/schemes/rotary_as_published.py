"""A pair of channels is turned by one radian a position, from the first channel towards the second.

## Why it matters
Turned the other way, or at another pace, a model trains as well and means something else by its weights: those of
another implementation cannot be loaded. Asked of heads of two channels, where there is one pair and only one way to
choose it.

## Usual causes
- The sign of the sine is on the other side, so that pairs are turned backwards.
- Queries and keys have changed places, or are turned in opposite directions.
- Positions are counted from one for queries and from zero for keys.
- Scores are scaled otherwise once there are positions in them.
"""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.check import Bench, Check
from grader.checks.schemes.agreement import compare
from grader.checks.schemes.cases import SchemeCase
from grader.record import TokenGrid
from grader.sandbox.questions import Forward
from grader.strategies import extended, model_cases


@st.composite
def cases(draw: DrawFn) -> SchemeCase:
    """Models that are two channels wide."""
    return extended(draw(model_cases(lengths=(3, 7))), SchemeCase, d_model=2, position="rotary")


def holds(case: SchemeCase, bench: Bench) -> None:
    """The logits, in float64, beside those of a right model with the same weights."""
    question = Forward(config=case.config, weights=case.seeded(bench.seeds))
    answer, expected = bench.both(question, {"tokens.0": case.token_array()})
    compare(
        bench,
        answer["logits.0"],
        expected["logits.0"],
        claim="at position p, (a, b) becomes (a cos p - b sin p, a sin p + b cos p), in queries and in keys",
        seen="with d_model=2 and n_head=1 the logits are others (in float64, beyond rounding)",
        grid=TokenGrid(tokens=case.tokens),
    )


CHECK = Check(
    id="rotary-as-published",
    cases=cases(),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=4,
)
