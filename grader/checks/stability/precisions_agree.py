"""In float64, float32 and bfloat16 a model says the same thing, as far as each precision goes.

## Why it matters
Models are trained in one precision and served in another. Rounding costs digits, evenly and as many as are known; what
costs more than that is a bug that the other precision hides.

## Usual causes
- Positions are counted in the model's own numbers: bfloat16 has no 257, and two tokens share a position.
- A sum over many terms is kept in a short type.
- A constant is made in another precision than what it is used with.
"""

from typing import Final

from hypothesis import strategies as st

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import finite
from grader.checks.grids import logits_of
from grader.checks.stability.cases import PRECISIONS, LongCase, long_case, near
from grader.sandbox.questions import Gradients, Precision
from grader.sandbox.wire import Tensors

SHORTER: Final[tuple[Precision, ...]] = ("float32", "bfloat16")
LENGTH: Final = 300  # bfloat16 counts to 256
SPARE: Final = 20  # a position that is rounded up finds another one's row, and not the end of the table


def holds(case: LongCase, context: Context) -> None:
    """The shorter precisions beside float64, with the same weights; and gradients that are finite in all three."""
    tokens = case.token_array(context)
    answers = {precision: _asked(case, context, precision) for precision in PRECISIONS}
    for precision in SHORTER:
        if not near(answers[precision]["logits"], answers["float64"]["logits"], precision):
            raise CheckFailed(
                f"other-logits-in-{precision}",
                "in each precision the logits are those of float64, up to that precision's rounding",
                f"for {tokens.size} tokens the logits in {precision} are others, by more than rounding explains",
            )
    for precision, answer in answers.items():
        unfit = [name for name, array in answer.items() if not finite(array)]
        if unfit:
            raise CheckFailed(
                "not-finite", "gradients are finite in each precision", f"NaN or infinity in {unfit[0]}, in {precision}"
            )


def _asked(case: LongCase, context: Context, precision: Precision) -> Tensors:
    question = Gradients(config=case.config, weights=case.seeded(context), precision=precision, with_logits=True)
    answer = context.ask(question, {"tokens": case.token_array(context)})
    logits_of(answer, "logits", case.token_array(context))
    return answer


def snippet(case: LongCase) -> str:
    """The same model in float32 and in bfloat16, beside float64."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""import torch
from model import GPT, GPTConfig

torch.manual_seed(0)
model = GPT(GPTConfig({settings})).eval()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5)
tokens = torch.randint({case.vocab_size}, (1, {case.length}))
with torch.no_grad():
    logits = [model.to(dtype)(tokens).double() for dtype in (torch.float32, torch.bfloat16)]
difference = (logits[1] - logits[0]).abs().max() / logits[0].abs().max()
print(float(difference))
assert difference <= 0.1, "in bfloat16 the model says something else"
"""


CHECK = Check(
    id="precisions-agree",
    cases=st.just(long_case(LENGTH, spare=SPARE)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes"),
    examples=1,
)
