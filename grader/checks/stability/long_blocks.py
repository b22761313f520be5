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

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.grids import logits_of
from grader.checks.stability.cases import LongCase, long_case, near
from grader.compare import finite
from grader.sandbox.questions import Forward, Gradients, Precision

BLOCK_SIZE: Final = 4096
BLOCK_SIZE_OF_FLOAT64: Final = 1024  # four times the memory would buy nothing that float32 does not show


def holds(case: LongCase, bench: Bench) -> None:
    """Forward and backward, in each precision, beside a right model's forward in one that is as good or better."""
    _holds_in(("float64",), long_case(BLOCK_SIZE_OF_FLOAT64), "float64", bench)
    _holds_in(("bfloat16", "float32"), case, "float32", bench)


def _holds_in(precisions: tuple[Precision, ...], case: LongCase, of_expected: Precision, bench: Bench) -> None:
    tokens, weights = case.token_array(bench), case.seeded(bench)
    right = Forward(config=case.config, weights=weights, precision=of_expected)
    expected = bench.matched.ask(right, {"tokens.0": tokens})["logits.0"]
    for precision in precisions:
        asked = Gradients(config=case.config, weights=weights, precision=precision, with_logits=True)
        answer = bench.ask(asked, {"tokens": tokens})
        logits = logits_of(answer, "logits", tokens)
        unfit = [name for name, array in answer.items() if not finite(array)]
        if unfit:
            raise Counterexample(
                "not-finite",
                f"logits and gradients are finite at block_size={case.block_size}",
                f"NaN or infinity in {unfit[0]}, in {precision}",
            )
        if not near(logits, expected, precision):
            raise Counterexample(
                f"other-logits-in-{precision}",
                f"the logits at block_size={case.block_size} are those of a right model, up to rounding",
                f"in {precision} they are others, by more than rounding explains",
            )


CHECK = Check(
    id="long-blocks",
    cases=st.just(long_case(BLOCK_SIZE)),
    holds=holds,
    needs=("forward-runs", "parameter-shapes", "precisions-agree"),
    examples=1,
    costly=True,
)
