"""ALiBi's heads have the published slopes, also where their number is no power of two.

## Why it matters
For H a power of two the slopes are 2^(-8/H), 2^(-16/H), and so on down to 2^-8. For other numbers of heads they are
those of the power below, and then every other one of the power above. The simple formula gives something for every
number, which is why most tests, on eight heads, do not notice.

## Usual causes
- One formula is used for every number of heads.
- Exponents start at 0 instead of at 1, so that the first head has the slope 1.
- Slopes are in another order, or the heads that are left over get the wrong half of the larger set.
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

HEADS = (2, 3, 4, 6, 7)


@st.composite
def cases(draw: DrawFn) -> SchemeCase:
    """One layer, whatever its width: that goes with the number of heads."""
    case = draw(model_cases(layers=(1,), lengths=(4, 7)))
    return extended(case, SchemeCase, position="alibi", n_head=2, d_model=4)


def holds(case: SchemeCase, context: Context) -> None:
    """The logits for several numbers of heads, in float64, beside those of a right model with the same weights."""
    for n_head in HEADS:
        case = replace(case, n_head=n_head, d_model=2 * n_head)
        question = Forward(config=case.config, weights=case.seeded(context.seeds))
        given = {"tokens.0": case.token_array()}
        compare(
            context,
            context.ask(question, given)["logits.0"],
            *(right.ask(question, given)["logits.0"] for right in right_ones(context)),
            claim="each head lowers its scores by its slope for each step back",
            seen=f"with n_head={n_head} the logits are others (in float64, beyond rounding)",
            grid=TokenGrid(tokens=case.tokens),
        )


CHECK = Check(
    id="alibi-slopes",
    cases=cases(),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen", "heads-are-separate"),
    examples=2,
)
