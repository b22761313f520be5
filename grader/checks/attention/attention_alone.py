"""With the MLPs silent, what is left is attention: values, weighted by how well scaled keys match a query.

## Why it matters
Scores of another size, or made of the wrong two vectors, still give weights, and the model trains with them. It
learns more slowly than it should, and weights that were trained by right attention mean nothing to it.

## Usual causes
- The scores are not divided by the root of the width, or by something else, or multiplied.
- One of the maps for queries, keys, values and output is used where another belongs, or is left out.
- The softmax runs over the wrong axis.
"""

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.silence import SILENT_MLP, agrees, heard, silence
from grader.checks.snippets import model_snippet
from grader.record import TokenGrid
from grader.strategies import ModelCase, few_rows, model_cases

SCALE = 3.0  # the shape of the scores shows better where they are not small


def holds(case: ModelCase, bench: Bench) -> None:
    """One layer, or a few of a larger model, in float64, beside right ones with the same weights."""
    if not agrees(case, bench, heard(case, bench, SILENT_MLP, query_scale=SCALE)):
        raise Counterexample(
            "attention-differs",
            "a position adds to the stream the mean of the values it sees, by the softmax of the scaled scores",
            f"in {case.n_layer} layers whose MLP adds nothing, with d_model={case.d_model}, the logits are others"
            " (in float64, beyond rounding)",
            grid=TokenGrid(tokens=case.tokens),
        )


def snippet(case: ModelCase) -> str:
    """The same layer with PyTorch's own attention."""
    return model_snippet(
        case,
        silence("mlp.proj")
        + """
stream = model.token_embedding(tokens) + model.position_embedding.weight[: tokens.size(1)]
block, attn = model.blocks[0], model.blocks[0].attn
x = block.ln_1(stream)
y = torch.nn.functional.scaled_dot_product_attention(attn.query(x), attn.key(x), attn.value(x), is_causal=True)
expected = model.lm_head(model.ln_f(stream + attn.proj(y)))
difference = (model(tokens) - expected).abs().amax(dim=2)  # (B, T)
print(difference)
assert (difference <= 1e-5).all(), "attention differs from PyTorch's own"
""",
        query_scale=SCALE,
    )


CHECK = Check(
    id="attention-alone",
    cases=model_cases(layers=(1,)),
    holds=holds,
    at_size=few_rows,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes", "future-is-hidden", "past-is-seen"),
    examples=4,
)
