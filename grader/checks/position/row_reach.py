"""Each row of the position table moves exactly the logits from its own position on.

## Why it matters
Row r of the table says "I am at position r". It must reach position r and what attends to it, and rows
beyond the sequence must not matter at all.

## Usual causes
- Positions start at another number than 0, or run backwards.
- Positions are counted along the batch, or depend on the token.
- The table is added to the wrong axis, or summed over time.
"""

from grader.checks.check import Bench, Check, Counterexample
from grader.checks.drawn_scale import drawn_scale
from grader.checks.grids import beyond_rounding, logits_of, places
from grader.checks.snippets import model_snippet
from grader.record import TokenGrid
from grader.sandbox.questions import Forward
from grader.sandbox.wire import Array, Tensors
from grader.strategies import ModelCase, model_cases


def holds(case: ModelCase, bench: Bench) -> None:
    """In one layer, rows are replaced one at a time."""
    table_rows = range(case.block_size)
    question = Forward(
        config=case.config, weights=case.seeded(bench.seeds, scale=drawn_scale(case)), position_rows=(-1, *table_rows)
    )
    tokens = {f"tokens.{i}": case.token_array() for i in range(case.block_size + 1)}
    answer, matched = bench.both(question, tokens)
    for row in table_rows:
        moved = _moved(answer, row, tokens["tokens.0"])
        must_move = [(b, t) for b, t in _moved(matched, row, tokens["tokens.0"]) if t >= row]
        still = [(b, t) for b, t in must_move if (b, t) not in set(moved)]
        if still:
            raise Counterexample(
                "row-unused",
                "replacing row r of the position table moves the logits at r and after",
                f"row {row} of the table was replaced, and the logits at position {still[0][1]} did not move",
                grid=TokenGrid(tokens=case.tokens, moved=tuple(moved), wrong=tuple(still)),
            )
        early = [(b, t) for b, t in moved if t < row]
        if early:
            raise Counterexample(
                "row-too-early",
                "replacing row r of the position table moves no logits before r",
                f"row {row} of the table was replaced, and the logits at position {early[0][1]} moved",
                grid=TokenGrid(tokens=case.tokens, moved=tuple(moved), wrong=tuple(early)),
            )


def _moved(answer: Tensors, row: int, tokens: Array) -> list[tuple[int, int]]:
    """(row of the batch, position) that moved by more than rounding. (Bits are for the checks of masking.)"""
    base, other = logits_of(answer, "logits.0", tokens), logits_of(answer, f"logits.{row + 1}", tokens)
    if other.shape != base.shape:
        raise Counterexample("shape", "logits have one width", f"shapes {base.shape} and {other.shape}")
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
    snippet=snippet,
    needs=("forward-runs", "future-is-hidden", "past-is-seen"),
    examples=4,
)
