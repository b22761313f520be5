"""A norm that reads a vector whose numbers are all equal gives finite numbers, forward and backward.

## Why it matters
Such a vector has a variance of zero. Tokens that are masked out, embeddings that start at zero and units that have died
give some, seldom enough to be met after days of training.

## Usual causes
- A norm divides by the spread without adding an epsilon.
- The epsilon is so small that the precision at hand rounds it away.
- The variance is a difference of two means, and rounding makes it negative.
"""

from typing import Final

from grader.checks.ablation import Factors
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import finite
from grader.checks.snippets import model_snippet
from grader.checks.stability.cases import PRECISIONS
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Gradients

FLAT: Final[Factors] = {"embedding.weight": 0.0}  # of tokens and of positions: the stream starts with zeros


def holds(case: ModelCase, context: Context) -> None:
    """Forward and backward in each precision, from embeddings of zeros."""
    for precision in PRECISIONS:
        question = Gradients(
            config=case.config,
            weights=case.seeded(context.seeds, factors=FLAT),
            precision=precision,
            with_logits=True,
        )
        for name, array in context.ask(question, {"tokens": case.token_array()}).items():
            if not finite(array):
                raise CheckFailed(
                    "not-finite",
                    "logits and gradients are finite where all numbers of a vector are equal",
                    f"with embeddings of zeros there is NaN or infinity in {name}, in {precision}",
                    grid=TokenGrid(tokens=case.tokens),
                )


def snippet(case: ModelCase) -> str:
    """Forward and backward from embeddings of zeros."""
    return model_snippet(
        case,
        """
for name, p in model.named_parameters():
    if name.endswith("embedding.weight"):
        p.zero_()
with torch.enable_grad():
    logits = model(tokens)
    logits.sum().backward()
print(logits)
assert logits.isfinite().all(), "logits are not finite"
assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None), "gradients are not finite"
""",
    )


CHECK = Check(
    id="flat-vectors-stay-finite",
    cases=model_cases(lengths=(2, 5)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=2,
)
