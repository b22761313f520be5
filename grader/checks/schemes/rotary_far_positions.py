"""In bfloat16 rotary positions tell far positions apart as well as near ones.

## Why it matters
bfloat16 has eight bits for a number: beyond 256 it holds every second integer, beyond 512 every fourth. An angle of
300.0 radians that is rounded to it is off by up to a radian, which turns a pair anywhere. Short texts, and tests on
short texts, show nothing.

## Usual causes
- Positions or angles are converted to the model's type before their cosine is taken, instead of after.
- Positions are counted in the type of the frequencies, which went to bfloat16 with the rest of the model.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec.structs import replace

from grader.checks.ablation import SILENT_MLP
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import logits_of
from grader.checks.schemes.cases import SchemeCase
from grader.sandbox.questions import Forward, Precision
from grader.sandbox.wire import Array

LENGTH = 384
NEAR, FAR = slice(8, 64), slice(256, None)
MODELS = 4  # one by itself may pay little heed to where tokens stand
# Attention that is decided, and little else: what angles do is then most of what there is to see.
QUERY_SCALE, LOUD_ATTENTION = 3.0, {"attn.proj.weight": 4.0, **SILENT_MLP}
# How many times as far off as near positions: 1.8 at most where angles are right, 6.9 at least where they are rounded.
MOST = 3.5


@st.composite
def cases(draw: DrawFn) -> SchemeCase:
    """A long row of tokens, in no order."""
    weights = draw(st.integers(0, (1 << 16) - MODELS))
    tokens = np.random.default_rng(weights).integers(11, size=LENGTH)
    return SchemeCase(
        d_model=16,
        vocab_size=11,
        n_layer=1,
        block_size=LENGTH,
        weights=weights,
        tokens=(tuple(map(int, tokens)),),
        position="rotary",
    )


def holds(case: SchemeCase, context: Context) -> None:
    """How far off logits in bfloat16 are from those in float64, at far positions and at near ones."""
    ratios = []
    for number in range(MODELS):
        rough, fine = (_logits(case, context, number, precision) for precision in ("bfloat16", "float64"))
        off = np.abs(rough - fine).mean(axis=-1)[0]  # (T,)
        ratios.append(off[FAR].mean() / off[NEAR].mean())
    ratio = float(np.mean(ratios))
    if not ratio <= MOST:
        raise CheckFailed(
            "far-is-lost",
            "rounding to bfloat16 moves the logits at far positions about as much as at near ones",
            f"beyond position {FAR.start} it moves them {ratio:.1f} times as much as before position {NEAR.stop}",
        )


def _logits(case: SchemeCase, context: Context, number: int, precision: Precision) -> Array:
    weights = replace(case, weights=case.weights + number).seeded(
        context.seeds, query_scale=QUERY_SCALE, factors=LOUD_ATTENTION
    )
    question = Forward(config=case.config, weights=weights, precision=precision)
    tokens = case.token_array()
    return logits_of(context.ask(question, {"tokens.0": tokens}), "logits.0", tokens)


CHECK = Check(
    id="rotary-far-positions",
    cases=cases(),
    holds=holds,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=1,
)
