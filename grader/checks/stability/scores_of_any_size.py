"""Whatever the size of the scores, logits and gradients are finite and no logit sees a later token, in each precision.

## Why it matters
Scores grow while a model trains, and bfloat16 has the range of float32 with a hundredth of its digits. One infinity
over another is NaN; one NaN in a gradient, and after the next update all parameters are.

## Usual causes
- Exponentials are taken of scores as they are, without subtracting the largest of a row first.
- Hidden scores are filled with a number that another precision cannot hold, or that a score can be lower than.
- A mask is made by multiplying with infinity: zero times infinity is NaN.
- A part is computed in float16, which ends at 65504.
"""

from typing import Final

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import finite
from grader.checks.grids import logits_of, moved_rows
from grader.checks.masking.future_is_hidden import with_other_future
from grader.checks.snippets import model_snippet
from grader.checks.stability.cases import PRECISIONS
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward, Gradients, Precision

SCALES: Final = (1.0, 100.0, 1e4, -1e4)  # whatever sign a score has, it is far below zero in one of the last two
WIDTH: Final = 32  # the scores of a wide model are larger: some of them, times the last scale, by more than 65504


def holds(case: ModelCase, context: Context) -> None:
    """Forward and backward, in each precision, with queries multiplied."""
    for precision in PRECISIONS:
        for scale in SCALES:
            _is_finite(case, context, precision, scale)
            _is_causal(case, context, precision, scale)


def _is_finite(case: ModelCase, context: Context, precision: Precision, scale: float) -> None:
    question = Gradients(
        config=case.config,
        weights=case.seeded(context.seeds, query_scale=scale),
        precision=precision,
        with_logits=True,
    )
    answer = context.ask(question, {"tokens": case.token_array()})
    logits_of(answer, "logits", case.token_array())
    for name, array in answer.items():
        if not finite(array):
            raise CheckFailed(
                "logits-not-finite" if name == "logits" else "gradients-not-finite",
                "logits and gradients are finite, whatever the size of the scores",
                f"NaN or infinity in {name}, in {precision}, with queries times {scale:g}",
                grid=TokenGrid(tokens=case.tokens),
            )


def _is_causal(case: ModelCase, context: Context, precision: Precision, scale: float) -> None:
    start = case.length // 2
    question = Forward(config=case.config, weights=case.seeded(context.seeds, query_scale=scale), precision=precision)
    answer = context.ask(question, {"tokens.0": case.token_array(), "tokens.1": with_other_future(case, start)})
    moved = moved_rows(answer["logits.1"], answer["logits.0"])
    early = [t for _, t in moved if t < start]
    if early:
        raise CheckFailed(
            "leak",
            "the logits before a changed token stay the same, bit for bit, whatever the size of the scores",
            f"in {precision}, with queries times {scale:g}, tokens from position {start} on were changed,"
            f" and the logits at position {early[0]} moved",
            grid=TokenGrid(
                tokens=case.tokens,
                changed=tuple((row, t) for row in range(len(case.tokens)) for t in range(start, case.length)),
                moved=tuple(moved),
            ),
        )


def snippet(case: ModelCase) -> str:
    """Forward and backward with large scores, in each precision."""
    return model_snippet(
        case,
        f"""
from copy import deepcopy

for dtype in (torch.float32, torch.float64, torch.bfloat16):
    for scale in {SCALES}:
        scaled = deepcopy(model).to(dtype)
        for block in scaled.blocks:
            block.attn.query.weight *= scale
            block.attn.query.bias *= scale
        with torch.enable_grad():
            logits = scaled(tokens)
            logits.sum().backward()
        gradients = [p.grad for p in scaled.parameters() if p.grad is not None]
        finite = logits.isfinite().all() and all(g.isfinite().all() for g in gradients)
        print(dtype, scale, bool(finite))
        assert finite, f"NaN or infinity in {{dtype}} with queries times {{scale}}"
""",
    )


CHECK = Check(
    id="scores-of-any-size",
    cases=model_cases(lengths=(5, 6), rows=(2, 3)).map(lambda case: extended(case, ModelCase, d_model=WIDTH)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "future-is-hidden"),
    examples=1,  # of twenty-four questions
)
