"""At a block size of 4096 logits and gradients are finite, and the logits are those of a right model.

## Why it matters
What is right for thirty-two tokens can be wrong for four thousand: numbers that count, sums that swallow their last
terms, masks whose entries add up. The loss on short sequences does not tell.

## Usual causes
- Positions or lengths are counted in a type that runs out of whole numbers.
- Weights are summed in a short type, and four thousand small ones add up to something else.
- Memory or time grows faster than with the square of the length.
"""

from typing import Final

from hypothesis import strategies as st

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close, finite
from grader.checks.grids import logits_of
from grader.checks.stability.cases import LongCase, long_case, near
from grader.sandbox.questions import Forward, Gradients, Precision
from grader.sandbox.wire import Array

LENGTH: Final = 4096
SHORTER: Final = 1024  # for float64, whose numbers are long, and for the way back in bfloat16, which is slow on a CPU


def holds(case: LongCase, context: Context) -> None:
    """Forward and backward in each precision; beside a right model, and bfloat16 beside float32."""
    shorter = long_case(SHORTER)
    _agrees(shorter, "float64", _with_gradients(shorter, "float64", context), context)
    _with_gradients(shorter, "bfloat16", context)
    in_float32 = _with_gradients(case, "float32", context)
    _agrees(case, "float32", in_float32, context)
    tokens = case.token_array(context)
    question = Forward(config=case.config, weights=case.seeded(context), precision="bfloat16")
    in_bfloat16 = logits_of(context.ask(question, {"tokens.0": tokens}), "logits.0", tokens)
    if not near(in_bfloat16, in_float32, "bfloat16"):
        raise CheckFailed(
            "other-logits-in-bfloat16",
            f"at block_size={case.block_size} the logits in bfloat16 are those of float32, up to rounding",
            "they are others, by more than rounding explains",
        )


def _with_gradients(case: LongCase, precision: Precision, context: Context) -> Array:
    """The logits, once they and all gradients are seen to be finite."""
    tokens = case.token_array(context)
    question = Gradients(config=case.config, weights=case.seeded(context), precision=precision, with_logits=True)
    answer = context.ask(question, {"tokens": tokens})
    unfit = [name for name, array in answer.items() if not finite(array)]
    if unfit:
        raise CheckFailed(
            "not-finite",
            f"logits and gradients are finite at block_size={case.block_size}",
            f"NaN or infinity in {unfit[0]}, in {precision}",
        )
    return logits_of(answer, "logits", tokens)


def _agrees(case: LongCase, precision: Precision, logits: Array, context: Context) -> None:
    """What comes with length shows at once; what rounds, and which epsilon a norm has, is asked elsewhere."""
    question = Forward(config=case.config, weights=case.seeded(context), precision=precision)
    expected = context.variant.ask(question, {"tokens.0": case.token_array(context)})["logits.0"]
    if not close(logits, expected, "logits, another epsilon"):
        raise CheckFailed(
            f"other-logits-in-{precision}",
            f"at block_size={case.block_size} the logits are those of a right model",
            f"in {precision} they are others",
        )


CHECK = Check(
    id="long-blocks",
    cases=st.just(long_case(LENGTH)),
    holds=holds,
    needs=("forward-runs", "parameter-shapes", "precisions-agree"),
    examples=1,
    costly=True,
)
