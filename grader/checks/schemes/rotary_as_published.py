"""Rotary positions turn pair i of a head by 10000^(-2i/D) radians a position.

## Why it matters
Turned the other way, or at another pace, a model trains as well and means something else by its weights: those of
another implementation cannot be loaded. Which channels are a pair is free: neighbours, or channels half a head apart.

## Usual causes
- The base is another, or the exponent counts channels where it should count pairs of them.
- The sign of the sine is on the other side, so that pairs are turned backwards.
- Queries and keys have changed places, or positions are counted from one for the ones and from zero for the others.
- Scores are scaled otherwise once there are positions in them.
"""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec.structs import replace

from grader.checks.check import Check, Context
from grader.checks.schemes.agreement import compare, right_ones
from grader.checks.schemes.cases import SchemeCase
from grader.checks.strategies import extended, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward


@st.composite
def cases(draw: DrawFn) -> SchemeCase:
    """Models of one head of one to four pairs."""
    case = extended(draw(model_cases(lengths=(3, 7))), SchemeCase, position="rotary")
    return replace(case, d_model=draw(st.sampled_from((8, 6, 4, 2))))


def holds(case: SchemeCase, context: Context) -> None:
    """The logits, in float64, beside those of a right model with the same weights, for either choice of pairs."""
    weights = case.seeded(context.seeds)
    halves = Forward(config=case.config, weights=weights)
    neighbours = Forward(config=case.config, weights=replace(weights, split_pairs=True))
    given = {"tokens.0": case.token_array()}
    compare(
        context,
        context.ask(halves, given)["logits.0"],
        *(right.ask(question, given)["logits.0"] for right in right_ones(context) for question in (halves, neighbours)),
        claim="at position p, pair i of queries and of keys is turned by the angle p * 10000^(-2i/D): (a, b) becomes"
        " (a cos - b sin, a sin + b cos)",
        seen=f"with D={case.d_model} the logits are others, whichever channels are pairs (in float64)",
        grid=TokenGrid(tokens=case.tokens),
    )


CHECK = Check(
    id="rotary-as-published",
    cases=cases(),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=5,
)
