"""Checks of results that are nearly right: approximations, precision, and numbers that are very large or small."""

from typing import Final

from grader.checks.ablation import SILENT_ATTENTION, Factors, agrees, heard, logits_with, silence
from grader.checks.agreement import closeness
from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import close
from grader.checks.families.masking import future_is_hidden
from grader.checks.families.normalisation import PARTS, norms_read_the_stream
from grader.checks.families.projection import forward_runs, parameter_shapes
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.result.record import TokenGrid


def _activation_is_gelu_snippet(case: ModelCase) -> str:
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


@check(
    cases=model_cases(layers=(1,)),
    snippet=_activation_is_gelu_snippet,
    needs=(forward_runs, parameter_shapes, norms_read_the_stream),
    examples=3,
    assumes=frozenset({"activation: gelu"}),
)
def activation_is_gelu(case: ModelCase, context: Context) -> None:
    """Between its two maps the MLP has an exact GELU.

    ## Why it matters
    All activations of this kind look alike from afar, and a model trains with any of them. Weights that were trained
    with one are meant for that one: with another, every layer is off by a little, and results can no longer be
    compared.

    ## Usual causes
    - The activation is another one, such as a ReLU.
    - The GELU is the approximation by a tanh that some models were trained with.
    """
    # One layer whose attention adds nothing, beside a right one.
    if not agrees(case, context, heard(case, context, SILENT_ATTENTION)):
        raise CheckFailed(
            "activation-differs",
            "an MLP is a linear map, an exact GELU and a linear map",
            "in one layer whose attention adds nothing, the logits differ (in float64, beyond rounding)",
            grid=TokenGrid(tokens=case.tokens),
        )


ALIKE: Final[Factors] = {"attn.value.weight": 0.0, "attn.value.bias": 4.0}  # the mean of equal values is that value
OTHER_SCORES: Final[Factors] = {"attn.query.weight": 0.0, "attn.query.bias": 0.0}


def _weights_sum_to_one_snippet(case: ModelCase) -> str:
    """Make all values alike, then all scores zero."""
    return model_snippet(
        case,
        """
for block in model.blocks:
    block.attn.value.weight.zero_()  # every value is the bias
before = model(tokens)
for block in model.blocks:
    block.attn.query.weight.zero_()
    block.attn.query.bias.zero_()  # every score is zero
moved = (model(tokens) - before).abs().amax(dim=2)  # (B, T)
print(moved)
assert (moved <= 1e-5).all(), "the mean of equal values depends on the scores"
""",
    )


@check(
    cases=model_cases(lengths=(3, 7)),
    snippet=_weights_sum_to_one_snippet,
    needs=(forward_runs, parameter_shapes),
    examples=4,
)
def weights_sum_to_one(case: ModelCase, context: Context) -> None:
    """The weights that a position gives to what it sees sum to one, to the digits of a float32 at least.

    ## Why it matters
    Attention hands on a mean. With weights that do not sum to one it also scales what it hands on, by another factor at
    each position, and the errors of all layers multiply.

    ## Usual causes
    - The softmax is computed in sixteen bits, where three digits are left.
    - Weights are set to zero after the softmax.
    - The softmax runs over the wrong axis.
    """
    # All values are alike; then no score matters.
    some, others = logits_with(case, context, ALIKE), logits_with(case, context, {**ALIKE, **OTHER_SCORES})
    if closeness(some, others) is None:
        raise CheckFailed(
            "not-a-mean",
            "the mean of values that are all alike is that value, whatever the scores",
            "with values that are all alike, other scores gave other logits (beyond the rounding of a float32)",
            grid=TokenGrid(tokens=case.tokens),
        )


# A bias of the keys adds query . bias to all scores of the query's row, here tens of thousands in either direction.
SHIFT: Final = 1e5


def _score_shifts_cancel_snippet(case: ModelCase) -> str:
    """Shift the rows by the biases of the keys."""
    return model_snippet(
        case,
        f"""
before = model(tokens)
for block in model.blocks:
    block.attn.key.bias *= {SHIFT:g}  # adds query . bias to all scores of a row
moved = (model(tokens) - before).abs().amax(dim=2) / before.abs().max()  # (B, T)
print(moved)
assert (moved <= 0.05).all(), "shifting the scores of a row alike changes its weights"
""",
    )


@check(
    cases=model_cases(lengths=(4, 7), rows=(2, 3)),  # many rows: half of them are shifted upwards, and hide nothing
    snippet=_score_shifts_cancel_snippet,
    needs=(forward_runs, parameter_shapes, future_is_hidden),
    examples=5,
)
def score_shifts_cancel(case: ModelCase, context: Context) -> None:
    """Adding one number to all scores of a row changes nothing, however large it is.

    ## Why it matters
    A softmax only cares for differences, and nothing in a model bounds its scores. What works while all of them are
    near zero, such as a large number in place of infinity, fails in the model that has trained for a while.

    ## Usual causes
    - Hidden scores are filled with a number that a score can be lower than.
    - Exponentials are taken without subtracting the largest score before.
    - Scores are kept in a type that overflows early.
    """
    # The biases of the keys are multiplied, and nothing may come of it but rounding.
    shifted: Factors = {"attn.key.bias": SHIFT}
    if not close(logits_with(case, context, shifted), logits_with(case, context, {}), "logits, large scores"):
        raise CheckFailed(
            "shift-matters",
            "the weights of a row depend on the differences of its scores alone",
            f"with the biases of the keys {SHIFT:g} times as large, which shifts whole rows, the logits differ",
            grid=TokenGrid(tokens=case.tokens),
        )


SMALL: Final[Factors] = {"embedding.weight": 0.06}  # a variance of about 2e-3: epsilons of 1e-5 and less are nothing
WIDTH: Final = 32  # vectors of a few numbers may have next to no variance by chance


@check(
    cases=model_cases(layers=(1,)).map(lambda case: extended(case, ModelCase, d_model=WIDTH)),
    needs=(forward_runs, parameter_shapes, norms_read_the_stream),
    examples=3,
)
def small_vectors_are_normed(case: ModelCase, context: Context) -> None:
    """A norm gives small vectors the size that it gives large ones.

    ## Why it matters
    A model starts with embeddings that are small. If a norm adds too much to their variance before it divides, what its
    reader gets is smaller than it should be, just when training starts.

    ## Usual causes
    - The epsilon of a norm is much larger than the usual hundred-thousandth: other libraries have other defaults.
    - The epsilon is added to the root instead of under it.
    """
    # One part of the block at a time reads a small stream, beside a right one; small epsilons are all alike.
    for reader, norm, factors in PARTS:
        question = heard(case, context, {**factors, **SMALL})
        answer, expected = context.both(question, {"tokens.0": case.token_array()})
        if not close(answer["logits.0"], expected["logits.0"], "logits, another epsilon"):
            raise CheckFailed(
                f"{norm} shrinks",
                f"{reader} reads vectors of variance one from {norm}, before its gains and biases",
                f"with small embeddings, where {reader} alone is heard, the logits differ",
                grid=TokenGrid(tokens=case.tokens),
            )
