"""The parameters of a model as rows: first what differs from the contract, then the rest."""

from typing import NamedTuple

from grader.report.words import Label
from grader.result.record import ParameterExhibit, Shape

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
