"""The tokens of a counterexample as rows of cells, with what was changed and what moved, in words and symbols."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from grader.result.record import TokenGrid

MAX_ROWS, MAX_COLUMNS = 16, 64  # beyond this a table explains nothing; the JSON has all of it


class Mark(NamedTuple):
    """What is said of a token or of its logits, in three ways."""

    kind: str  # a class of the stylesheet
    symbol: str
    meaning: str


CHANGED: Final = Mark("changed", "✎", "token that was changed, old → new")
NAMED: Final = Mark("named", "◆", "token that this is about")
MISLABELLED: Final = Mark("wrong", "✗", "label that is wrong")
STUCK: Final = Mark("wrong", "✗", "logits that are the same, and must not be")
SAME: Final = Mark("same", "=", "logits that are the same")


class Cell(NamedTuple):
    """One place of the input: what is there, and the mark of it, if any."""

    text: str
    mark: Mark | None = None


class Row(NamedTuple):
    """Tokens, or what came of each: one cell for each position."""

    title: str
    cells: list[Cell]


class TokenTable(NamedTuple):
    """What is shown of a grid, and whether something is left out."""

    positions: range
    rows: list[Row]
    cut: bool

    @property
    def legend(self) -> list[Mark]:
        """The marks that occur, each once."""
        return list(dict.fromkeys(cell.mark for row in self.rows for cell in row.cells if cell.mark is not None))


def token_table(grid: TokenGrid) -> TokenTable:
    """The grid as cells, row by row; below the tokens what the failure says of each."""
    longest = max(map(len, grid.tokens), default=0)
    return TokenTable(
        positions=range(min(longest, MAX_COLUMNS)),
        rows=[row for number in range(min(len(grid.tokens), MAX_ROWS)) for row in _rows(grid, number)],
        cut=longest > MAX_COLUMNS or len(grid.tokens) > MAX_ROWS,
    )


def _rows(grid: TokenGrid, number: int) -> Iterator[Row]:
    """One sequence of the batch: its tokens, then its labels or what its logits did, where that is known."""
    tokens = grid.tokens[number][:MAX_COLUMNS]
    of_batch = f"row {number}, " if len(grid.tokens) > 1 else ""
    yield Row(f"{of_batch}tokens", [_token(grid, (number, t), token) for t, token in enumerate(tokens)])
    if number < len(grid.labels):
        labels = grid.labels[number][: len(tokens)]
        yield Row(f"{of_batch}labels", [_label(grid, (number, t), label) for t, label in enumerate(labels)])
    elif grid.moved or grid.wrong:
        yield Row(f"{of_batch}logits", [_logits(grid, (number, t)) for t in range(len(tokens))])


def _token(grid: TokenGrid, place: tuple[int, int], token: int) -> Cell:
    if place in grid.changed:
        became = dict(zip(grid.changed, grid.replaced_by, strict=False)).get(place)
        return Cell(f"{token} → {'?' if became is None else became}", CHANGED)
    return Cell(str(token), NAMED if place in grid.named else None)


def _label(grid: TokenGrid, place: tuple[int, int], label: int) -> Cell:
    return Cell(str(label), MISLABELLED if place in grid.wrong else None)


def _logits(grid: TokenGrid, place: tuple[int, int]) -> Cell:
    if place not in grid.moved:
        return Cell("same", STUCK if place in grid.wrong else SAME)
    word = "moved" if grid.changed or grid.named else "differ"  # where no token was touched, two ways are compared
    if place in grid.wrong:
        return Cell(word, Mark("wrong", "✗", f"logits that {word}, and must not"))
    return Cell(word, Mark("moved", "≠", f"logits that {word}, as they may"))
