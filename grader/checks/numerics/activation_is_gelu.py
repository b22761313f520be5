"""Between its two maps the MLP has an exact GELU.

## Why it matters
All activations of this kind look alike from afar, and a model trains with any of them. Weights that were trained with
one are meant for that one: with another, every layer is off by a little, and results can no longer be compared.

## Usual causes
- The activation is another one, such as a ReLU.
- The GELU is the approximation by a tanh that some models were trained with.
"""

from grader.checks.ablation import SILENT_ATTENTION, agrees, heard, silence
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid


def holds(case: ModelCase, context: Context) -> None:
    """One layer whose attention adds nothing, beside a right one."""
    if not agrees(case, context, heard(case, context, SILENT_ATTENTION)):
        raise CheckFailed(
            "activation-differs",
            "an MLP is a linear map, an exact GELU and a linear map",
            "in one layer whose attention adds nothing, the logits are others (in float64, beyond rounding)",
            grid=TokenGrid(tokens=case.tokens),
        )


def snippet(case: ModelCase) -> str:
    """The same layer with the GELU written out."""
    return model_snippet(
        case,
        silence("attn.proj")
        + """
stream = model.token_embedding(tokens) + model.position_embedding.weight[: tokens.size(1)]
block = model.blocks[0]
x = block.mlp.fc(block.ln_2(stream))
x = x * 0.5 * (1 + torch.erf(x / 2**0.5))
expected = model.lm_head(model.ln_f(stream + block.mlp.proj(x)))
difference = (model(tokens) - expected).abs().amax(dim=2)  # (B, T)
print(difference)
assert (difference <= 1e-9).all(), "the MLP differs from one with an exact GELU"
""",
    )


CHECK = Check(
    id="activation-is-gelu",
    cases=model_cases(layers=(1,)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes", "norms-read-the-stream"),
    examples=3,
)
