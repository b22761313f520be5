"""A norm gives small vectors the size that it gives large ones.

## Why it matters
A model starts with embeddings that are small. If a norm adds too much to their variance before it divides, what its
reader gets is smaller than it should be, just when training starts.

## Usual causes
- The epsilon of a norm is much larger than the usual hundred-thousandth: other libraries have other defaults.
- The epsilon is added to the root instead of under it.
"""

from typing import Final

from grader.checks.ablation import Factors, heard
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import close
from grader.checks.normalisation.norms_read_the_stream import PARTS
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.result.record import TokenGrid

SMALL: Final[Factors] = {"embedding.weight": 0.06}  # a variance of about 2e-3: epsilons of 1e-5 and less are nothing
WIDTH: Final = 32  # vectors of a few numbers may have next to no variance by chance


def holds(case: ModelCase, context: Context) -> None:
    """One part of the block at a time reads a small stream, beside a right one; small epsilons are all alike."""
    for reader, norm, factors in PARTS:
        question = heard(case, context, {**factors, **SMALL})
        answer, expected = context.both(question, {"tokens.0": case.token_array()})
        if not close(answer["logits.0"], expected["logits.0"], "logits, another epsilon"):
            raise CheckFailed(
                f"{norm} shrinks",
                f"{reader} reads vectors of variance one from {norm}, before its gains and biases",
                f"with small embeddings, where {reader} alone is heard, the logits are others",
                grid=TokenGrid(tokens=case.tokens),
            )


CHECK = Check(
    id="small-vectors-are-normed",
    cases=model_cases(layers=(1,)).map(lambda case: extended(case, ModelCase, d_model=WIDTH)),
    holds=holds,
    needs=("forward-runs", "parameter-shapes", "norms-read-the-stream"),
    examples=3,
)
