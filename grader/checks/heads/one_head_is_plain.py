"""Made for one head, attention for several heads gives bit for bit what attention with one head gives.

## Why it matters
One head is several heads whose number is one: nothing is cut, and nothing has to be joined. Where both are written
over one attention function, the same numbers are added in the same order, and any bit that differs is a difference
between the two that somebody made.

## Usual causes
- Attention is written out a second time for several heads, and one of the two is changed later.
- One of them scales its scores before the product and the other after it.
- Something is done in one of them alone: a projection, a dropout, a mask.
"""

from typing import Final

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import same_bits
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import OneHead, Precision

HEADS: Final = 2  # d_model is even
PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "float64")


def holds(case: ModelCase, context: Context) -> None:
    """The class of several heads in the place of a model's own; one that cannot stand there says nothing."""
    for precision in PRECISIONS:
        question = OneHead(config=case.config, weights=case.seeded(context.seeds), precision=precision, heads=HEADS)
        answer = context.ask(question, {"tokens": case.token_array()})
        grafted = answer.get("grafted")
        if grafted is not None and not same_bits(grafted, answer["own"]):
            raise CheckFailed(
                "one-head-differs",
                "one head is computed alike, bit for bit, by the class for one head and the class for several",
                f"in a {precision} model of one head, the class for several heads gives logits with other bits",
                grid=TokenGrid(tokens=case.tokens),
            )


def snippet(case: ModelCase) -> str:
    """Put the one class in the place of the other, with the same weights."""
    return model_snippet(
        case,
        f"""
from dataclasses import replace

many = type(GPT(replace(model.config, n_head={HEADS})).blocks[0].attn)
before = model(tokens)
for block in model.blocks:
    attention = many(model.config).double()
    attention.load_state_dict(block.attn.state_dict())
    block.attn = attention
moved = (model(tokens) - before).abs().amax(dim=2)  # (B, T)
print(moved)
assert torch.equal(model(tokens), before), "the class for several heads computes one head otherwise"
""",
    )


CHECK = Check(
    id="one-head-is-plain",
    cases=model_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=3,
)
