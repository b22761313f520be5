"""Each part of a block, and the head, reads the residual stream through the norm that is its own.

## Why it matters
The stream grows with every block. What reads it without a norm gets vectors of any size; what reads it through the
norm of another part gets gains that were learned for somebody else.

## Usual causes
- A norm is built, saved and loaded, and not called.
- One norm is called in two places.
- The norm stands after the sum instead of before the part that reads.
"""

from typing import Final

from grader.checks.ablation import SILENT_ATTENTION, SILENT_BLOCKS, SILENT_MLP, Factors, agrees, heard
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid

PARTS: Final[tuple[tuple[str, str, Factors], ...]] = (
    ("the head", "ln_f", SILENT_BLOCKS),
    ("the MLP", "ln_2", SILENT_ATTENTION),
    ("attention", "ln_1", SILENT_MLP),
)


def holds(case: ModelCase, context: Context) -> None:
    """One part at a time, with gains and biases of the norms that are all different, beside a right one."""
    for reader, norm, factors in PARTS:
        if not agrees(case, context, heard(case, context, factors)):
            raise CheckFailed(
                f"{norm} differs",
                f"{reader} reads the stream through {norm}",
                f"{_alone(reader)} the logits are others (in float64, beyond rounding)",
                grid=TokenGrid(tokens=case.tokens),
            )


def _alone(reader: str) -> str:
    return "with silent blocks" if reader == "the head" else f"where {reader} alone adds to the stream"


def snippet(case: ModelCase) -> str:
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


CHECK = Check(
    id="norms-read-the-stream",
    cases=model_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "parameter-shapes"),
    examples=3,
)
