"""Blocks that add nothing change nothing, however many there are.

## Why it matters
The residual stream is what tokens, positions and all blocks add up to. It is the way on which a block can leave alone
what it does not improve, and on which gradients reach the first layer.

## Usual causes
- A part of a block replaces the stream, where it should be added to it.
- The name of the stream is given to something else before the sum.
- A norm is applied to the stream itself, and not to a copy of it that a part of the block reads.
"""

from typing import Final

from grader.checks.ablation import SILENT_BLOCKS, silence
from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import altered, beyond_rounding, logits_of, places
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward

DEPTHS: Final = (1, 2, 3)


def holds(case: ModelCase, context: Context) -> None:
    """The last map of every part is zero: then depth does not matter, and the tokens still do."""
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


def snippet(case: ModelCase) -> str:
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


CHECK = Check(
    id="residual-stream",
    cases=model_cases(layers=(2,)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes"),
    examples=3,
)
