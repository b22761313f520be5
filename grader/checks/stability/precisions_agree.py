"""In float64, float32 and bfloat16 a model says the same thing, as far as each precision goes.

## Why it matters
Models are trained in one precision and served in another. Rounding costs digits, evenly and as many as are known; what
costs more than that is a bug that the other precision hides.

## Usual causes
- Positions are counted in the model's own numbers: bfloat16 has no 257, and two tokens share a position.
- A sum over many terms is kept in a short type.
- A constant is made in another precision than what it is used with.
"""

from hypothesis import strategies as st

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.grids import logits_of
from grader.checks.stability.cases import PRECISIONS, LongCase, long_case, near
from grader.compare import finite
from grader.sandbox.questions import Forward, Gradients

BLOCK_SIZE = 300  # bfloat16 counts to 256


def holds(case: LongCase, bench: Bench) -> None:
    """Each precision beside a right model with the same weights in float64; and finite gradients."""
    tokens, weights = case.token_array(bench), case.seeded(bench)
    expected = bench.matched.ask(Forward(config=case.config, weights=weights), {"tokens.0": tokens})["logits.0"]
    for precision in PRECISIONS:
        question = Gradients(config=case.config, weights=weights, precision=precision, with_logits=True)
        answer = bench.ask(question, {"tokens": tokens})
        logits = logits_of(answer, "logits", tokens)
        if not near(logits, expected, precision):
            raise Counterexample(
                f"other-logits-in-{precision}",
                "in each precision the logits are those of float64, up to that precision's rounding",
                f"at block_size={case.block_size} the logits in {precision} are others, by more than rounding explains",
            )
        unfit = [name for name, array in answer.items() if not finite(array)]
        if unfit:
            raise Counterexample(
                "not-finite", "gradients are finite in each precision", f"NaN or infinity in {unfit[0]}, in {precision}"
            )


def snippet(case: LongCase) -> str:
    """The same model in float32 and in bfloat16, beside float64."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""import torch
from model import GPT, GPTConfig

torch.manual_seed(0)
model = GPT(GPTConfig({settings})).eval()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5)
tokens = torch.randint({case.vocab_size}, (1, {case.block_size}))
with torch.no_grad():
    logits = [model.to(dtype)(tokens).double() for dtype in (torch.float32, torch.bfloat16)]
difference = (logits[1] - logits[0]).abs().max() / logits[0].abs().max()
print(float(difference))
assert difference <= 0.1, "in bfloat16 the model says something else"
"""


CHECK = Check(
    id="precisions-agree",
    cases=st.just(long_case(BLOCK_SIZE)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes"),
    examples=1,
)
