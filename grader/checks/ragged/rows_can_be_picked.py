"""Rows of a cache can be dropped, put in another order and doubled, by indexing its tensors.

## Why it matters
A row that is done makes room for another; a beam goes on from the best rows, some of them twice. With a cache of plain
tensors that is one index, if nothing but the row itself says where it ends.

## Usual causes
- The longest row is taken to fill the cache: when it is dropped, what is behind the others is read.
- Where the rows end is kept elsewhere, in the old order.
- Something is computed for the first row and used for all.
"""

import numpy as np

from grader.checks.cache.agreement import closeness
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.ragged.cases import CACHE_WORKS, Lengths, RaggedCase, ragged_cases
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array


def holds(case: RaggedCase, context: Context) -> None:
    """The last chunk with all rows, and with some of them; each row must give the same."""
    last = len(case.lengths) - 1
    picks = _picks(case.totals(last))
    tensors = case.steps()
    for step, rows in enumerate(picks, start=last + 1):
        tensors |= {name: array[list(rows)] for name, array in case.step(step, last).items()}
        tensors[f"rows.{step}"] = np.array(rows)
    parents = (*range(-1, last), *(last - 1 for _ in picks))
    answer = context.ask(Decode(config=case.config, weights=case.seeded(context.seeds), parents=parents), tensors)
    expected = _by_row(case, answer[f"logits.{last}"])
    for step, rows in enumerate(picks, start=last + 1):
        found = answer[f"logits.{step}"]
        if found.shape[:2] != (len(rows), case.width(last)):
            raise CheckFailed("shape", "each row that was picked has logits", f"they have shape {found.shape}")
        mine = [found[i, : len(expected[row])] for i, row in enumerate(rows)]
        if closeness(np.concatenate(mine), np.concatenate([expected[row] for row in rows])) is None:
            raise CheckFailed(
                "picked-differ",
                "after rows of a cache were picked, each goes on as it would have",
                f"read in chunks of {case.told()} tokens, one number a row: with rows {list(rows)} of the cache alone, "
                "the last chunk has other logits",
                grid=case.grid(),
            )


def _picks(totals: Lengths) -> tuple[Lengths, ...]:
    """All rows in reverse; all but the longest; the shortest twice."""
    by_length = sorted(range(len(totals)), key=lambda row: totals[row])
    return tuple(range(len(totals)))[::-1], tuple(sorted(by_length[:-1])), (by_length[0], *by_length)


def _by_row(case: RaggedCase, logits: Array) -> list[Array]:
    return [row[:length] for row, length in zip(logits, case.lengths[-1], strict=True)]


CHECK = Check(
    id="ragged-rows-can-be-picked",
    cases=ragged_cases(),
    holds=holds,
    needs=CACHE_WORKS,
    examples=3,
)
