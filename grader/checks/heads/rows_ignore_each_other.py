"""With several heads, a row of the batch has the same bits whatever the other rows hold.

## Why it matters
A batch is a way to save time. With a head axis beside the batch axis there are two that are easily taken for each
other, and every shape still fits: then one text is answered with what was read in another.

## Usual causes
- The results of the heads are joined after the head axis was swapped with the batch instead of the time.
- Heads are folded into the batch, and unfolded in another order.
- Something is averaged over the batch.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.grids import moved_rows
from grader.checks.heads.cases import HeadCase, head_cases
from grader.checks.snippets import model_snippet
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward, Precision
from grader.sandbox.wire import Array


def holds(case: HeadCase, context: Context) -> None:
    """In both precisions: all rows but one are replaced, and that one keeps its bits."""
    _holds_in("float32", case, context)
    _holds_in("float64", case, context)


def _holds_in(precision: Precision, case: HeadCase, context: Context) -> None:
    tokens = case.token_array()
    batches = [tokens, *(_all_others_changed(case, row) for row in range(len(tokens)))]
    question = Forward(config=case.config, weights=case.seeded(context.seeds), precision=precision)
    answer = context.ask(question, {f"tokens.{i}": batch for i, batch in enumerate(batches)})
    for row in range(len(tokens)):
        moved = moved_rows(answer[f"logits.{row + 1}"], answer["logits.0"])
        if any(other == row for other, _ in moved):
            raise CheckFailed(
                "rows-leak",
                "the logits of a row stay the same, bit for bit, when other rows of the batch change",
                f"all rows but {row} were changed, and the logits of row {row} moved",
                grid=TokenGrid(
                    tokens=case.tokens,
                    changed=tuple((r, t) for r in range(len(tokens)) if r != row for t in range(case.length)),
                    moved=tuple(moved),
                ),
            )


def _all_others_changed(case: HeadCase, row: int) -> Array:
    tokens = (case.token_array() + 1) % case.vocab_size
    tokens[row] = case.token_array()[row]
    return tokens


def snippet(case: HeadCase) -> str:
    """Change all rows but one."""
    return model_snippet(
        case,
        f"""
before = model(tokens)
for row in range(len(tokens)):
    changed = (tokens + 1) % {case.vocab_size}
    changed[row] = tokens[row]
    after = model(changed)
    print(row, float((after[row] - before[row]).abs().max()))
    assert torch.equal(after[row], before[row]), f"row {{row}} depends on the other rows"
""",
    )


CHECK = Check(
    id="rows-ignore-each-other",
    cases=head_cases(rows=(2, 3)),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs",),
    examples=3,
)
