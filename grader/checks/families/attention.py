"""Checks of how scores become weights, and weights a mean of values."""

from typing import Final

import numpy as np

from grader.checks.ablation import SILENT_BLOCKS, SILENT_MLP, Factors, logits_with, silence
from grader.checks.agreement import closeness
from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import close, finite
from grader.checks.families.masking import future_is_hidden, past_is_seen
from grader.checks.families.projection import forward_runs, parameter_shapes
from grader.checks.requirements import logits_of
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, larger, model_cases
from grader.checks.training_cases import given, standardised, tables
from grader.packages.trouble import PackageMisanswered
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward, Sharing
from grader.sandbox.wire import Array, Tensors

QUERY_SCALE = 3.0  # the shape of the scores shows better where they are not small
ATTENTION: Final = "blocks.0.attn."
NORM_EPSILON: Final = 1e-5


def _attention_alone_confirm(case: ModelCase, context: Context) -> None:
    """The same of a model that is wider than the default one."""
    attention_alone(larger(case, context.seeds), context)


def _attention_alone_snippet(case: ModelCase) -> str:
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
        query_scale=QUERY_SCALE,
    )


@check(
    cases=model_cases(layers=(1,), distinct=True),
    confirm=_attention_alone_confirm,
    snippet=_attention_alone_snippet,
    needs=(forward_runs, future_is_hidden, past_is_seen),
    examples=4,
)
def attention_alone(case: ModelCase, context: Context) -> None:
    """With the MLPs silent, what is left is attention: values, weighted by how well scaled keys match a query.

    ## Why it matters
    Scores of another size, or made of the wrong two vectors, still give weights, and the model trains with them. It
    learns more slowly than it should, and weights that were trained by right attention mean nothing to it.

    ## Usual causes
    - The scores are not divided by the root of the width, or by something else, or multiplied.
    - One of the maps for queries, keys, values and output is used where another belongs, or is left out.
    - The softmax runs over the wrong axis.
    """
    # One layer whose MLP is silent: the logits are those of the same stream with what attention adds to it.
    #
    # The sum is put into the table of tokens of the candidate's own model, with attention silent too, so that nothing
    # but attention is compared with anything. Positions may be wrong in a way of their own: then there are none.
    random = np.random.default_rng(context.seeds.derive("attention alone", case.weights))
    stream = standardised(random.standard_normal((case.length, case.d_model)))
    parameters = _attention(case, random)
    summed = stream + attended(stream, parameters)
    positions = random.standard_normal((case.block_size, case.d_model))
    try:
        if not any(
            _same(case, context, parameters, stream, summed, rows) for rows in (positions, 0 * positions)
        ) and not _is_tied(case, context):
            raise CheckFailed(
                "attention-differs",
                "a position adds to the stream the mean of the values it sees, by the softmax of the scaled scores",
                f"in one layer whose MLP adds nothing, with d_model={case.d_model}, the logits differ"
                " (in float64, beyond rounding)",
                grid=TokenGrid(tokens=case.tokens[:1]),
            )
    except PackageMisanswered:
        pass  # without these parameters it is no question; that they must be there is for another check to say


def _same(
    case: ModelCase, context: Context, parameters: Tensors, stream: Array, summed: Array, positions: Array
) -> bool:
    """Whether a stream with attention is heard as its sum is without; or whether a stream is not heard at all."""
    found = _logits(case, context, SILENT_MLP, parameters, tables(case, stream, positions))
    expected = _logits(case, context, SILENT_BLOCKS, parameters, tables(case, summed, positions))
    if _close(found, expected):
        return True
    unheard = _logits(case, context, SILENT_BLOCKS, parameters, tables(case, stream, positions))
    return _close(unheard, expected)


def _close(actual: Array, expected: Array) -> bool:
    return finite(actual) and finite(expected) and close(actual, expected, "logits, attention by hand")


def _is_tied(case: ModelCase, context: Context) -> bool:
    """Whether parameters share their memory: a head that is the table of tokens hears what is put into that."""
    firsts = context.ask(Sharing(config=case.config), {})
    return any(int(first) != place for place, first in enumerate(firsts.values()))


def _logits(case: ModelCase, context: Context, factors: Factors, parameters: Tensors, streamed: Tensors) -> Array:
    tokens = case.token_array()[:1]
    silent = {name: values for name, values in parameters.items() if name.removeprefix("blocks.0.") not in factors}
    question = Forward(config=case.config, weights=case.seeded(context.seeds, factors=factors))
    answer = context.ask(question, {"tokens.0": tokens, **given(silent), **given(streamed)})
    return logits_of(answer, "logits.0", tokens)


def _attention(case: ModelCase, random: np.random.Generator) -> Tensors:
    """What the first norm and the attention of a layer are made of, drawn."""
    width = case.d_model
    drawn: dict[str, tuple[int, ...]] = {"blocks.0.ln_1.weight": (width,), "blocks.0.ln_1.bias": (width,)}
    for name in ("query", "key", "value", "proj"):
        drawn |= {f"{ATTENTION}{name}.weight": (width, width), f"{ATTENTION}{name}.bias": (width,)}
    parameters = {name: 0.5 * random.standard_normal(shape) for name, shape in drawn.items()}
    for part in ("weight", "bias"):
        parameters[f"{ATTENTION}query.{part}"] *= QUERY_SCALE
    return parameters


def attended(stream: Array, parameters: Tensors) -> Array:
    """What attention with these parameters adds to a stream (T, C), by the formula."""
    length, width = stream.shape
    centred = stream - stream.mean(axis=-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + NORM_EPSILON)
    x = normed * parameters["blocks.0.ln_1.weight"] + parameters["blocks.0.ln_1.bias"]
    q, k, v = (_linear(x, name, parameters) for name in ("query", "key", "value"))
    scores = np.where(np.tri(length, dtype=bool), q @ k.T / np.sqrt(width), -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return _linear(weights / weights.sum(axis=-1, keepdims=True) @ v, "proj", parameters)


def _linear(x: Array, name: str, parameters: Tensors) -> Array:
    mapped: Array = x @ parameters[f"{ATTENTION}{name}.weight"].T + parameters[f"{ATTENTION}{name}.bias"]
    return mapped


QUERIES: Final[Factors] = {"attn.query.weight": 3.0, "attn.query.bias": 0.5}
KEYS: Final[Factors] = {"attn.key.weight": 0.5, "attn.key.bias": 3.0}
VALUES: Final[Factors] = {"attn.value.weight": 3.0, "attn.value.bias": 2.0}

# What is silenced, what is changed then, and why that must not matter.
ROLES: Final[tuple[tuple[Factors, Factors, str], ...]] = (
    (
        {"attn.proj.weight": 0.0},
        {**QUERIES, **KEYS, **VALUES},
        "with a zero proj.weight nothing that attention gathers reaches the stream",
    ),
    (
        {"attn.value.weight": 0.0, "attn.value.bias": 0.0},
        {**QUERIES, **KEYS},
        "with all values zero it does not matter who attends to whom",
    ),
    (
        {"attn.key.weight": 0.0},
        {**QUERIES, "attn.key.bias": 3.0},
        "with a zero key.weight all keys are alike, and no query can tell them apart",
    ),
)


def _attention_roles_snippet(case: ModelCase) -> str:
    """Silence one map after the other and change the rest."""
    return model_snippet(
        case,
        """
from copy import deepcopy

for silent, others in [("proj", ("query", "key", "value")), ("value", ("query", "key")), ("key", ("query",))]:
    silenced = deepcopy(model)
    for block in silenced.blocks:
        getattr(block.attn, silent).weight.zero_()
        if silent == "value":
            block.attn.value.bias.zero_()
    changed = deepcopy(silenced)
    for block in changed.blocks:
        for name in others:
            getattr(block.attn, name).weight.mul_(3)
    moved = (changed(tokens) - silenced(tokens)).abs().max()
    print(silent, float(moved))
    assert moved <= 1e-5, f"without {silent}, {' and '.join(others)} cannot matter"
""",
    )


@check(
    cases=model_cases(),
    snippet=_attention_roles_snippet,
    needs=(forward_runs, parameter_shapes),
    examples=3,
)
def attention_roles(case: ModelCase, context: Context) -> None:
    """Each map of attention has a part of its own: with one of them silent, what it is needed for is gone.

    ## Why it matters
    Queries, keys, values and output are four maps of one shape. If two change places, or one stands in for another,
    nothing crashes and the model trains. It shows when weights are loaded, or when another path does it right.

    ## Usual causes
    - A line was copied and one name in it was not changed.
    - Arguments are passed in another order than they are taken.
    - What attention returns does not go through its output map.
    """
    # For each map: silenced, the others may have other weights, and the logits stay.
    for silenced, changed, claim in ROLES:
        before = logits_with(case, context, silenced)
        after = logits_with(case, context, {**silenced, **changed})
        if closeness(after, before) is None:
            maps = sorted({name.split(".")[1] for name in changed})
            raise CheckFailed(
                f"{next(iter(silenced))} stands alone",
                claim,
                f"with {' and '.join(silenced)} zero, other weights in {', '.join(maps)} gave other logits",
                grid=TokenGrid(tokens=case.tokens),
            )
