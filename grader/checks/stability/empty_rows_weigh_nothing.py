"""A row of nothing but padding gives finite logits, and leaves nothing behind in the cache.

## Why it matters
Batches are served with rows that have nothing to say yet. Such a row may look at nothing, and the softmax over nothing
is 0 / 0. The NaN stays in the cache, and weighted with zero it is NaN still: what the row is given later is lost too.

## Usual causes
- A row of the mask forbids everything, and nobody says what becomes of it.
- What was computed of padding is kept in the cache as if it were real.
- `lengths` is accepted, and not used.
"""

import numpy as np

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import finite
from grader.checks.grids import beyond_rounding, logits_of
from grader.checks.snippets import model_snippet
from grader.checks.stability.cases import EmptyRowsCase, empty_rows_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array


def holds(case: EmptyRowsCase, context: Context) -> None:
    """Two chunks, and the same with other padding in the first; row 0 begins with the second."""
    tokens = case.token_array()
    first, second = np.ascontiguousarray(tokens[:, : case.first]), np.ascontiguousarray(tokens[:, case.first :])
    padded = np.where(case.real(0), first, (first + 1) % case.vocab_size)
    chunks = {"chunk.0": first, "chunk.1": second, "chunk.2": padded, "chunk.3": second}
    lengths = {f"lengths.{i}": case.length_array(i % 2) for i in range(4)}
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=(-1, 0, -1, 2))
    answer = context.ask(question, {**chunks, **lengths})
    logits = [logits_of(answer, f"logits.{i}", chunk) for i, chunk in enumerate(chunks.values())]
    never_real = np.zeros(len(tokens), dtype=np.bool_)
    never_real[1] = True
    _must_be_finite(logits[0], case.real(0) | (case.length_array(0) == 0)[:, None], case, "the first chunk")
    _must_be_finite(logits[1], case.real(1) | never_real[:, None], case, "the second chunk")
    moved = beyond_rounding(logits[3], logits[1]) & case.real(1)
    if moved.any():
        row, t = (int(i) for i in np.argwhere(moved)[0])
        raise CheckFailed(
            "padding-counts",
            "what a row was padded with in one chunk moves no logit of the next",
            f"with other padding in the first chunk, the logits of row {row} at token {t} of the second moved",
            grid=_grid(case),
        )


def _must_be_finite(logits: Array, where: Array, case: EmptyRowsCase, chunk: str) -> None:
    if not finite(logits[where]):
        row = int(np.argwhere(where & ~np.isfinite(logits).all(axis=-1))[0][0])
        raise CheckFailed(
            "not-finite",
            "logits are finite in rows of nothing but padding, and where tokens are real",
            f"NaN or infinity in row {row} of {chunk}, where lengths are {list(case.lengths[0])}, then"
            f" {list(case.lengths[1])}",
            grid=_grid(case),
        )


def _grid(case: EmptyRowsCase) -> TokenGrid:
    padding = [(int(row), int(t)) for row, t in np.argwhere(~case.real(0))]
    return TokenGrid(tokens=case.tokens, changed=tuple(padding))


def snippet(case: EmptyRowsCase) -> str:
    """The same two chunks, with other padding in the first."""
    return model_snippet(
        case,
        f"""
first, second = tokens.split([{case.first}, {case.length - case.first}], dim=1)
lengths, more = torch.tensor({list(case.lengths[0])}), torch.tensor({list(case.lengths[1])})
padding = torch.arange({case.first}) >= lengths[:, None]
answers = []
for chunk in (first, torch.where(padding, (first + 1) % {case.vocab_size}, first)):
    logits, cache = model.forward_incremental(chunk, lengths=lengths)
    assert logits[lengths == 0].isfinite().all(), "a row of nothing but padding has no finite logits"
    answers.append(model.forward_incremental(second, cache, lengths=more)[0])
moved = (answers[1] - answers[0])[0, : more[0]].abs().max()  # row 0, which begins with the second chunk
print(float(moved))
assert moved <= 1e-9, "padding moves what comes after it"
""",
    )


CHECK = Check(
    id="empty-rows-weigh-nothing",
    cases=empty_rows_cases(),
    holds=holds,
    snippet=snippet,
    needs=("forward-runs", "cached-equals-full"),
    examples=4,
)
