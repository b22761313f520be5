"""A cohort as CSV, for a spreadsheet that must not take a name for a formula."""

import csv
import io
import unicodedata
from typing import Final

from grader.cohort.summary import Row, Summary
from grader.files.printable import one_line

# A cell that begins with one of these can be run as a formula, which reaches files and the network. Some readers skip
# white space in front of it, and some take its full-width form for it.
COMMANDS: Final = ("=", "+", "-", "@", "|", "%")


def render_table(summary: Summary) -> str:
    """One line for each candidate, after one with the names of the columns."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    columns = [column for id, _ in summary.items for column in (id, f"{id} status")]
    past = ("hints", "grades", "started_at", "minutes")  # of the workspace's history, where one was handed in
    more = ("bugs_left", "nearly_the_same_as", *past, "remark", "folder")
    writer.writerow(["candidate", "score", "max_score", *columns, *more])
    for row in summary.rows:
        writer.writerow([_cell(value) for value in _values(row, summary)])
    return written.getvalue()


def _values(row: Row, summary: Summary) -> list[str | float | None]:
    values: list[str | float | None] = [summary.names[row.folder], row.score, row.max_score]
    for id, _ in summary.items:
        cell = row.cells.get(id)
        values += [cell.score, cell.status.value] if cell is not None else [None, None]
    others = (pair.second if pair.first == row.folder else pair.first for pair in summary.like(row.folder))
    left = " ".join(row.remaining_bugs) if row.remaining_bugs is not None else None
    past = row.past
    came_about = [past.hints, past.grades, past.started_at, past.minutes] if past is not None else [None] * 4
    return [*values, left, " ".join(others), *came_about, row.remark, row.folder]


def _cell(value: str | float | None) -> str:
    """The value as text that no spreadsheet obeys: an apostrophe in front makes text of anything."""
    if value is None:
        return ""
    if isinstance(value, float | int):
        return f"{value:g}"
    # Where the decimal point is a comma, spreadsheets part cells at semicolons, whatever the quotes say.
    text = one_line(value).replace(";", ",")
    return f"'{text}" if unicodedata.normalize("NFKC", text).lstrip().startswith(COMMANDS) else text
