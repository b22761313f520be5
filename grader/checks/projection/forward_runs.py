"""The model builds and runs for every configuration.

## Why it matters
A sequence may be as short as one token or as long as the block, a vocabulary smaller or larger than the
model is wide. A model that runs for one size only has its sizes mixed up.

## Usual causes
- One size is used where another is meant, and the two happened to be equal.
- A constant stands where the configuration should be read.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.strategies import ModelCase, model_case, model_cases
from grader.extent import MODEL
from grader.sandbox.questions import Forward


def holds(case: ModelCase, context: Context) -> None:
    """One forward; the result has a row of float32 logits for each token."""
    question = Forward(config=case.config, weights=case.seeded(context.seeds), precision="float32")
    logits = context.ask(question, {"tokens.0": case.token_array()})["logits.0"]
    batch, length = case.token_array().shape
    if logits.ndim != 3 or logits.shape[:2] != (batch, length):
        raise CheckFailed(
            "shape",
            f"tokens of shape ({batch}, {length}) give logits of shape ({batch}, {length}, {case.vocab_size})",
            f"logits of shape {tuple(logits.shape)}",
        )
    if logits.dtype != "float32":
        raise CheckFailed("dtype", "a float32 model gives float32 logits", f"logits of dtype {logits.dtype}")


CHECK = Check(
    id="forward-runs",
    cases=model_cases(lengths=(1, 7)),
    holds=holds,
    at_size=model_case,
    default=MODEL,
    examples=5,
)
