"""Each row of the position table moves exactly the logits from its own position on.

## Why it matters
Row r of the table says "I am at position r". It must reach position r and what attends to it, and rows
beyond the sequence must not matter at all.

## Usual causes
- Positions start at another number than 0, or run backwards.
- Positions are counted along the batch, or depend on the token.
- The table is added to the wrong axis, or summed over time.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.drawn_scale import drawn_scale
from grader.checks.grids import beyond_rounding, logits_of, places
from grader.checks.snippets import model_snippet
from grader.checks.strategies import FEW, ModelCase, model_case, model_cases
from grader.extent import Extent, at_most
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward
from grader.sandbox.wire import Array, Tensors


def holds(case: ModelCase, context: Context) -> None:
    """Rows are replaced one at a time; of a long table a few, up to the last that is used."""
    last = case.length - 1
    table_rows = range(case.block_size) if case.length <= FEW else (last // 2, last - last // 5, last)
    weights = case.seeded(context.seeds, scale=drawn_scale(case))
    question = Forward(config=case.config, weights=weights, position_rows=(-1, *table_rows))
    tokens = {f"tokens.{i}": case.token_array() for i in range(len(table_rows) + 1)}
    answer, variant = context.both(question, tokens)
    for i, row in enumerate(table_rows, 1):
        moved = _moved(answer, i, tokens["tokens.0"])
        must_move = {(b, t) for b, t in _moved(variant, i, tokens["tokens.0"]) if t >= row}
        still = sorted(must_move.difference(moved))
        if still:
            raise CheckFailed(
                "row-unused",
                "replacing row r of the position table moves the logits at r and after",
                f"row {row} of the table was replaced, and the logits at position {still[0][1]} did not move",
                grid=TokenGrid(tokens=case.tokens, moved=tuple(moved), wrong=tuple(still)),
            )
        early = [(b, t) for b, t in moved if t < row]
        if early:
            raise CheckFailed(
                "row-too-early",
                "replacing row r of the position table moves no logits before r",
                f"row {row} of the table was replaced, and the logits at position {early[0][1]} moved",
                grid=TokenGrid(tokens=case.tokens, moved=tuple(moved), wrong=tuple(early)),
            )


def one_text(extent: Extent) -> ModelCase:
    """One text of these sizes: each row of the table takes a forward of its own."""
    return model_case(at_most(extent, rows=1))


def _moved(answer: Tensors, index: int, tokens: Array) -> list[tuple[int, int]]:
    """(row of the batch, position) that moved by more than rounding. (Bits are for the checks of masking.)"""
    base, other = logits_of(answer, "logits.0", tokens), logits_of(answer, f"logits.{index}", tokens)
    if other.shape != base.shape:
        raise CheckFailed("shape", "logits have one width", f"shapes {base.shape} and {other.shape}")
    return places(beyond_rounding(other, base))


def snippet(case: ModelCase) -> str:
    """Replace one row of the table after the other."""
    return model_snippet(
        case,
        """
before, T = model(tokens), tokens.size(1)
for r in range(model.position_embedding.weight.size(0)):
    kept = model.position_embedding.weight[r].clone()
    model.position_embedding.weight[r] = torch.randn_like(kept)
    moved = (model(tokens) != before).any(dim=2).any(dim=0)  # (T,)
    model.position_embedding.weight[r] = kept
    print(r, moved.int().tolist())
    assert moved.tolist() == [t >= r for t in range(T)], f"row {r} moves the wrong positions"
""",
    )


CHECK = Check(
    id="position-row-reach",
    cases=model_cases(layers=(1,), lengths=(2, 5)),
    holds=holds,
    in_training=True,
    at_size=one_text,
    snippet=snippet,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=4,
)
