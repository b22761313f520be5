"""The tokens of a counterexample as rows of cells, with what was changed and what moved."""

from typing import NamedTuple

from grader.record import TokenGrid

MAX_ROWS, MAX_COLUMNS = 16, 64  # beyond this a table explains nothing; the JSON has all of it


class TokenCell(NamedTuple):
    """One token of the input, and what happened there."""

    token: int
    changed: bool
    moved: bool


class TokenTable(NamedTuple):
    """What is shown of a grid, and whether something is left out."""

    positions: range
    rows: list[list[TokenCell]]
    cut: bool


def token_table(grid: TokenGrid) -> TokenTable:
    """The grid as cells, row by row."""
    changed, moved = set(grid.changed), set(grid.moved)
    longest = max(map(len, grid.tokens), default=0)
    rows = [
        [TokenCell(token, (b, t) in changed, (b, t) in moved) for t, token in enumerate(row[:MAX_COLUMNS])]
        for b, row in enumerate(grid.tokens[:MAX_ROWS])
    ]
    return TokenTable(
        positions=range(min(longest, MAX_COLUMNS)),
        rows=rows,
        cut=longest > MAX_COLUMNS or len(grid.tokens) > MAX_ROWS,
    )
