"""Checks of the norms and of the residual stream that they read."""

from typing import Final

from grader.checks.ablation import SILENT_ATTENTION, SILENT_BLOCKS, SILENT_MLP, Factors, agrees, heard, silence
from grader.checks.agreement import closeness
from grader.checks.check import CheckFailed, Context, check
from grader.checks.families.projection import forward_runs, parameter_shapes
from grader.checks.requirements import altered, beyond_rounding, logits_of, places
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward

DEPTHS: Final = (1, 2, 3)


def _residual_stream_snippet(case: ModelCase) -> str:
    """Silence the blocks, change all tokens, then take the last block away."""
    return model_snippet(
        case,
        silence("attn.proj", "mlp.proj")
        + f"""
logits = model(tokens)
moved = (model((tokens + 1) % {case.vocab_size}) - logits).abs().amax(dim=2)  # (B, T)
print(moved)
assert (moved > 1e-9).all(), "silent blocks lose the tokens"
model.blocks = model.blocks[:-1]
difference = (model(tokens) - logits).abs().max()
print(float(difference))
assert difference <= 1e-9, "a silent block changes the stream"
""",
    )


@check(
    cases=model_cases(layers=(2,)),
    snippet=_residual_stream_snippet,
    needs=(forward_runs, parameter_shapes),
    examples=3,
)
def residual_stream(case: ModelCase, context: Context) -> None:
    """Blocks that add nothing change nothing, however many there are.

    ## Why it matters
    The residual stream is what tokens, positions and all blocks add up to. It is the way on which a block can leave
    alone what it does not improve, and on which gradients reach the first layer.

    ## Usual causes
    - A part of a block replaces the stream, where it should be added to it.
    - The name of the stream is given to something else before the sum.
    - A norm is applied to the stream itself, and not to a copy of it that a part of the block reads.
    """
    # The last map of every part is zero: then depth does not matter, and the tokens still do.
    tokens = case.token_array()
    others = (tokens + 1) % case.vocab_size
    weights = case.seeded(context.seeds, factors=SILENT_BLOCKS)
    shallow = Forward(config=case.config | {"n_layer": DEPTHS[0]}, weights=weights)
    answer, variant = context.both(shallow, {"tokens.0": tokens, "tokens.1": others})
    for name in ("logits.0", "logits.1"):
        logits_of(answer, name, tokens)
    must_move = beyond_rounding(variant["logits.1"], variant["logits.0"])
    moved = beyond_rounding(answer["logits.1"], answer["logits.0"])
    lost = places(must_move & ~moved)
    if lost:
        raise CheckFailed(
            "stream-lost",
            "what goes into a block that adds nothing comes out of it",
            f"with one silent block, the logits at position {lost[0][1]} do not depend on the token there",
            grid=altered(tokens, others, moved=places(moved), wrong=lost),
        )
    for depth in DEPTHS[1:]:
        deeper = Forward(config=case.config | {"n_layer": depth}, weights=weights)
        if closeness(context.ask(deeper, {"tokens.0": tokens})["logits.0"], answer["logits.0"]) is None:
            raise CheckFailed(
                "stream-changed",
                "blocks that add nothing leave the stream as it is",
                f"{depth} blocks whose last maps are zero gave other logits than one",
                grid=TokenGrid(tokens=case.tokens),
            )


PARTS: Final[tuple[tuple[str, str, Factors], ...]] = (
    ("the head", "ln_f", SILENT_BLOCKS),
    ("the MLP", "ln_2", SILENT_ATTENTION),
    ("attention", "ln_1", SILENT_MLP),
)


def _norms_read_the_stream_snippet(case: ModelCase) -> str:
    """Shift the stream, which a norm undoes, then change each norm, which must be heard."""
    return model_snippet(
        case,
        """
before = model(tokens)
model.token_embedding.weight += 3  # the same for all channels: every norm takes it away again
shifted = (model(tokens) - before).abs().max()
print(float(shifted))
assert shifted <= 1e-5, "something reads the stream without a norm"
for name, p in model.named_parameters():
    if "ln_" in name:
        p += 1
        moved = (model(tokens) - before).abs().max()
        p -= 1
        print(name, float(moved))
        assert moved > 1e-9, f"{name} does not matter"
""",
    )


@check(
    cases=model_cases(),
    snippet=_norms_read_the_stream_snippet,
    needs=(forward_runs, parameter_shapes),
    examples=3,
)
def norms_read_the_stream(case: ModelCase, context: Context) -> None:
    """Each part of a block, and the head, reads the residual stream through the norm that is its own.

    ## Why it matters
    The stream grows with every block. What reads it without a norm gets vectors of any size; what reads it through the
    norm of another part gets gains that were learned for somebody else.

    ## Usual causes
    - A norm is built, saved and loaded, and not called.
    - One norm is called in two places.
    - The norm stands after the sum instead of before the part that reads.
    """
    # One part at a time, with gains and biases of the norms that are all different, beside a right one.
    for reader, norm, factors in PARTS:
        if not agrees(case, context, heard(case, context, factors)):
            raise CheckFailed(
                f"{norm} differs",
                f"{reader} reads the stream through {norm}",
                f"{_alone(reader)} the logits differ (in float64, beyond rounding)",
                grid=TokenGrid(tokens=case.tokens),
            )


def _alone(reader: str) -> str:
    return "with silent blocks" if reader == "the head" else f"where {reader} alone adds to the stream"
