"""Changing a later token never changes the logits before it.

## Why it matters
A decoder is trained on every position at once. If a position can see what comes after it, it copies the
answer instead of predicting it: the loss looks wonderful, and generation, where there is no future to look
at, produces garbage.

## Usual causes
- The mask starts one diagonal too late, so that each position also sees its successor.
- The mask is flipped: it hides the past and shows the future.
- The mask is applied after the softmax, so that the hidden scores still take part in the normalisation.
- The softmax runs over the wrong axis.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import finite
from grader.checks.drawn_scale import FRESH, LARGE, small_scale
from grader.checks.grids import altered, moved_rows
from grader.checks.snippets import model_snippet
from grader.checks.strategies import FEW, ModelCase, model_case, model_cases, positions_to_try
from grader.extent import MODEL
from grader.packages.package import Package
from grader.sandbox.questions import Forward, Precision
from grader.sandbox.wire import Array

CLAIM = "the logits before a changed token stay the same, bit for bit"


def with_other_future(case: ModelCase, start: int | Array) -> Array:
    """The case's tokens with every token from position ``start`` on, or from those of each row, replaced by another."""
    tokens, places = case.token_array(), np.arange(case.length)
    starts = np.broadcast_to(start, len(tokens))[:, None]  # (B, 1)
    others = np.where(places == starts, tokens + 1, tokens + 1 + places) % case.vocab_size
    return np.where(places >= starts, others, tokens)


def holds(case: ModelCase, context: Context, *, query_scale: float = 1.0) -> None:
    """For every position p: tokens from p on are replaced, logits before p must keep their bits.

    In both precisions: what drowns in the rounding of the one still shows in the other. In float32, the precision of
    training, with weights that are as small as a fresh model's, or not as large as elsewhere. Of a long text, one
    precision is enough.
    """
    _holds_in("float32", case, context, query_scale, LARGE if query_scale != 1.0 else small_scale(case))
    if case.length <= FEW:
        _holds_in("float64", case, context, query_scale)


def _asked(case: ModelCase, context: Context, precision: Precision, query_scale: float, scale: float) -> Forward:
    weights = case.seeded(context.seeds, query_scale=query_scale, scale=scale)
    return Forward(config=case.config, weights=weights, precision=precision)


def _holds_in(
    precision: Precision, case: ModelCase, context: Context, query_scale: float, scale: float = LARGE
) -> None:
    cuts = positions_to_try(case, first=1)  # each (B,)
    futures = [case.token_array(), *(with_other_future(case, starts) for starts in cuts)]
    question = _asked(case, context, precision, query_scale, scale)
    answer = context.ask(question, {f"tokens.{i}": tokens for i, tokens in enumerate(futures)})
    base = answer["logits.0"]
    for i, starts in enumerate(cuts, 1):
        moved = moved_rows(answer[f"logits.{i}"], base)
        early = [(row, t) for row, t in moved if t < starts[row]]
        if early:
            row, t = early[0]
            raise CheckFailed(
                "leak",
                CLAIM,
                f"tokens from position {starts[row]} on were changed, and the logits at position {t} moved",
                grid=altered(futures[0], futures[i], moved=moved, wrong=early),
            )
    if query_scale != 1.0 and not finite(base):
        raise CheckFailed("not-finite", "logits stay finite when attention scores are large", "NaN or infinity")


def confirm(case: ModelCase, context: Context, *, query_scale: float = 1.0) -> None:
    """The changed tokens, and only then the base, in a fresh worker: a model that remembers prefixes of what it
    was asked before has nothing to remember there."""
    with context.candidate.another() as fresh:
        _confirm_in("float32", case, context, fresh, query_scale, LARGE if query_scale != 1.0 else FRESH)
        _confirm_in("float64", case, context, fresh, query_scale)


def _confirm_in(
    precision: Precision, case: ModelCase, context: Context, fresh: Package, query_scale: float, scale: float = LARGE
) -> None:
    start = case.length // 2
    question = _asked(case, context, precision, query_scale, scale)
    here = context.ask(question, {"tokens.0": case.token_array()})["logits.0"]
    changed = fresh.ask(question, {"tokens.0": with_other_future(case, start)})["logits.0"]
    again = fresh.ask(question, {"tokens.0": case.token_array()})["logits.0"]
    early = [(row, t) for row, t in moved_rows(changed, here) if t < start]
    if early:
        raise CheckFailed(
            "leak", CLAIM, f"asked in a fresh process, the logits at position {early[0][1]} moved with a later token"
        )
    if moved_rows(again, here):
        raise CheckFailed(
            "unsteady",
            "the same question has the same answer",
            "not deterministic: a fresh process answered otherwise",
        )


def snippet(case: ModelCase, *, query_scale: float = 1.0) -> str:
    """Change the last token; print and require what must not move."""
    return model_snippet(
        case,
        f"""
changed = tokens.clone()
changed[:, -1] = (changed[:, -1] + 1) % {case.vocab_size}
before, after = model(tokens), model(changed)
print((before[:, :-1] - after[:, :-1]).abs().amax(dim=(0, 2)))  # one number a position: all must be 0
assert torch.equal(before[:, :-1], after[:, :-1]), "a later token moved earlier logits"
""",
        query_scale=query_scale,
    )


CHECK = Check(
    id="future-is-hidden",
    cases=model_cases(lengths=(2, 7)),
    holds=holds,
    in_training=True,
    confirm=confirm,
    at_size=model_case,
    default=MODEL,
    snippet=snippet,
    needs=("forward-runs",),
    examples=6,
)
