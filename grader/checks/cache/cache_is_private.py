"""Rows of a batch, and requests that take turns, do not leak into each other.

## Why it matters
One cache serves one conversation. When rows or requests share state, somebody reads somebody else's text.

## Usual causes
- The cache is kept in a class attribute or a default argument, and survives into the next request.
- A row of the batch is taken for all rows.
"""

import numpy as np

from grader.checks.cache.agreement import closeness
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase, decode_case, decode_cases
from grader.checks.check import Check, CheckFailed, Context
from grader.extent import Extent, at_most
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode
from grader.sandbox.wire import Array


def holds(case: DecodeCase, context: Context) -> None:
    """Two requests in turns, and each row by itself, beside each request on its own."""
    first = case.token_array()
    second = (first + 1) % case.vocab_size
    cut = case.chunks[0]
    alone = _decode(case, context, [first[:, :cut], first[:, cut:]], (-1, 0))
    turns = _decode(case, context, [first[:, :cut], second[:, :cut], first[:, cut:], second[:, cut:]], (-1, -1, 0, 1))
    if closeness(turns[2], alone[1]) is None:
        raise CheckFailed(
            "requests-leak",
            "a request does not notice that another one is decoded in between",
            "with another request in between, the same continuation has other logits",
            grid=TokenGrid(tokens=case.tokens),
        )
    halves = [half for row in first for half in (row[None, :cut], row[None, cut:])]
    starts = tuple(parent for row in range(len(first)) for parent in (-1, 2 * row))
    rows = _decode(case, context, halves, starts)[1::2]
    shapes = {row.shape for row in rows}
    if shapes != {(1, *alone[1].shape[1:])} or closeness(np.concatenate(rows), alone[1]) is None:
        raise CheckFailed(
            "rows-leak",
            "a row is decoded the same, alone or in a batch (in float64, up to rounding)",
            "decoded alone, a row of the batch has other logits",
            grid=TokenGrid(tokens=case.tokens),
        )


def many_rows(extent: Extent) -> DecodeCase:
    """A few tokens of each of many rows, since each is decoded by itself too."""
    return decode_case(at_most(extent, tokens=6, layers=1))


def _decode(case: DecodeCase, context: Context, chunks: list[Array], parents: tuple[int, ...]) -> list[Array]:
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=parents)
    answer = context.ask(question, {f"chunk.{i}": np.ascontiguousarray(chunk) for i, chunk in enumerate(chunks)})
    return [answer[f"logits.{i}"] for i in range(len(chunks))]


CHECK = Check(
    id="cache-is-private",
    needs=MODEL_WORKS,
    cases=decode_cases(),
    holds=holds,
    at_size=many_rows,
    examples=3,
)
