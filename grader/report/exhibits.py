"""Exhibits that a page shows as a table: how each token moves the logits, and the parameters of a model."""

import math
from typing import NamedTuple

from grader.report.words import Label
from grader.result.record import InfluenceExhibit, Matrix, ParameterExhibit, Shape

LEVELS = 5
_STEP = 4.0  # each level down is an influence four times weaker
LEAK = "⚠\N{VARIATION SELECTOR-15}"  # the selector asks for a sign, not a picture


class Cell(NamedTuple):
    """One entry of the matrix: a number, a symbol or both, a colour, and words for who sees neither."""

    kind: str  # a class of the stylesheet
    symbol: str = ""
    number: str = ""
    meaning: str = ""


_ZERO = Cell("zero", symbol="·", meaning="exactly zero")
_SOME = Cell("level-3", symbol="●", meaning="may have influence")


class Panel(NamedTuple):
    """One matrix to show, one row for each position whose logits are looked at."""

    title: str
    rows: list[list[Cell]]

    @property
    def columns(self) -> range:
        """The positions of the tokens."""
        return range(max(map(len, self.rows), default=0))


def panels(exhibit: InfluenceExhibit) -> list[Panel]:
    """The candidate's matrix, and beside it what a causal model looks like."""
    candidate = Panel("This candidate", _cells(exhibit.candidate))
    if exhibit.reference is not None:
        return [candidate, Panel("The reference, a causal model", _cells(exhibit.reference))]
    return [candidate, Panel("What a causal model looks like", _pattern(len(exhibit.tokens)))]


def leaks(exhibit: InfluenceExhibit) -> int:
    """How many entries that a causal model keeps at zero are not zero here."""
    return sum(cell.symbol == LEAK for row in _cells(exhibit.candidate) for cell in row)


def strange(exhibit: InfluenceExhibit) -> int:
    """How many entries are no finite number, and so neither zero nor anything else."""
    return sum(cell.kind == "strange" for row in _cells(exhibit.candidate) for cell in row)


def _cells(matrix: Matrix) -> list[list[Cell]]:
    finite = [abs(value) for row in matrix for value in row if value is not None and math.isfinite(value)]
    strongest = max(finite, default=0.0)
    return [[_cell(value, s > t, strongest) for s, value in enumerate(row)] for t, row in enumerate(matrix)]


def _cell(recorded: float | None, future: bool, strongest: float) -> Cell:
    value = math.nan if recorded is None else recorded
    if future and value == 0:
        return _ZERO
    if not math.isfinite(value):
        return Cell("strange", "!", _short(value), "not a finite number")
    if future:
        return Cell("leak", LEAK, _short(value), "leak from the future")
    if value == 0:
        return Cell("none", symbol="○", meaning="no influence")
    return Cell(f"level-{_level(abs(value) / strongest)}", number=_short(value))


def _pattern(length: int) -> list[list[Cell]]:
    return [[_ZERO if s > t else _SOME for s in range(length)] for t in range(length)]


def _level(share: float) -> int:
    """From 5, the strongest, down to 1."""
    return max(1, LEVELS + math.ceil(math.log(share, _STEP) - 0.5)) if share > 0 else 1


def _short(value: float) -> str:
    """At most five characters or so: a cell is small, and the colour tells the rest."""
    if not math.isfinite(value):
        return str(value)
    if 0.01 <= abs(value) < 10:
        return f"{value:.2f}"
    if 10 <= abs(value) < 1000:
        return f"{value:.0f}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


_RIGHT = Label("As it should be", "✓", "good")
_WRONG = {
    "shape": Label("Another shape", "✗", "bad"),
    "missing": Label("Missing", "✗", "bad"),
    "unknown": Label("Not in the contract", "✗", "bad"),
    "start": Label("Starts otherwise", "◐", "part"),
}


class Row(NamedTuple):
    """One parameter, in words."""

    name: str
    shape: str
    expected: str
    same_start: bool | None  # None where it was not compared
    label: Label


class Table(NamedTuple):
    """All rows: those that are not as in the contract, those that are but start with other values, and the rest."""

    wrong: list[Row]
    starts: list[Row]
    right: list[Row]


def parameter_rows(exhibit: ParameterExhibit) -> Table:
    """The rows of an exhibit."""
    known = exhibit.same_start is not None and len(exhibit.same_start) == len(exhibit.rows)
    starts = exhibit.same_start if exhibit.same_start and known else (None,) * len(exhibit.rows)
    rows = [
        Row(row.name, _in_words(row.shape), _in_words(row.expected), start, _label(row.shape, row.expected, start))
        for row, start in zip(exhibit.rows, starts, strict=True)
    ]
    starts_otherwise = _WRONG["start"]
    return Table(
        wrong=[row for row in rows if row.label not in (_RIGHT, starts_otherwise)],
        starts=[row for row in rows if row.label is starts_otherwise],
        right=[row for row in rows if row.label is _RIGHT],
    )


def _in_words(shape: Shape | None) -> str:
    return "none" if shape is None else f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _label(shape: Shape | None, expected: Shape | None, same_start: bool | None) -> Label:
    if shape is None:
        return _WRONG["missing"]
    if expected is None:
        return _WRONG["unknown"]
    if shape != expected:
        return _WRONG["shape"]
    return _WRONG["start"] if same_start is False else _RIGHT
