"""A cohort as a table: as CSV for programs and spreadsheets, and as a workbook that opens alike in every country.

Where the decimal point is a comma, spreadsheets read neither the commas nor the numbers of a CSV as they are meant; a
workbook says of each value what it is. In both no name is ever a formula.
"""

import csv
import io
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from grader.cohort.row import Row
from grader.cohort.summary import Summary
from grader.files.printable import one_line

# A cell that begins with one of these can be run as a formula, which reaches files and the network. Some readers skip
# white space in front of it, and some take its full-width form for it.
COMMANDS: Final = ("=", "+", "-", "@", "|", "%")
CELL_LONGEST: Final = 32_000  # characters: Excel takes 32,767 and calls a file with more of them damaged
BEGINNING: Final = (1980, 1, 1, 0, 0, 0)  # of the times that a zip archive can say: the same bytes for the same cohort
Value = str | float | None


def render_table(summary: Summary) -> bytes:
    """CSV: one line for each candidate, after one with the names of the columns.

    Its first character is a byte order mark. Without it Excel takes the letters for those of another alphabet.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    for values in _table(summary):
        writer.writerow([_cell(value) for value in values])
    return written.getvalue().encode("utf-8-sig")


def render_workbook(summary: Summary) -> bytes:
    """The same as an Office Open XML workbook, whose cells are numbers or texts."""
    rows = "".join(f"<row>{''.join(map(_typed, values))}</row>" for values in _table(summary))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (*_PARTS.items(), ("xl/worksheets/sheet1.xml", _SHEET.format(rows=rows))):
            archive.writestr(zipfile.ZipInfo(name, BEGINNING), f"{_XML}{text}", zipfile.ZIP_DEFLATED)
    return written.getvalue()


def _table(summary: Summary) -> Iterator[Sequence[Value]]:
    """The names of the columns, and the values of each candidate. Names stay; new ones may come between them."""
    parts = [column for id, _ in (*summary.items, *summary.followups) for column in (id, f"{id} status")]
    past = ("hints", "grades", "started_at", "last_at", "minutes")  # of the workspace's history, where there is one
    rounds = ("score_before", "change") if summary.before is not None else ()
    more = ("followups", "bugs_left", "nearly_the_same_as", "group", *past, "does_not_run", *rounds, "remark", "folder")
    yield ["candidate", "score", "max_score", *parts, *more]
    for row in summary.rows:
        yield _values(row, summary)


def _values(row: Row, summary: Summary) -> list[Value]:
    values: list[Value] = [summary.names[row.folder], row.score, row.max_score]
    for parts, cells in ((summary.items, row.cells), (summary.followups, row.followups)):
        for id, _ in parts:
            cell = cells.get(id)
            values += [cell.score, cell.status.value] if cell is not None else [None, None]
    others = (pair.second if pair.first == row.folder else pair.first for pair in summary.like(row.folder))
    # "none" is known to be right: of what cannot be compared nothing is known.
    left = None if row.remaining_bugs is None else " ".join(row.remaining_bugs) or "none"
    values += [row.extra if row.graded else None, left, " ".join(others), summary.group_of.get(row.folder)]
    past = row.past
    values += [past.hints, past.grades, past.started_at, past.last_at, past.minutes] if past is not None else [None] * 5
    values.append(row.stopped)
    if (before := summary.before) is not None:
        was = before.was.get(row.folder)
        values += [was.score if was is not None else None, before.change(row)]
    return [*values, row.remark, row.folder]


def _cell(value: Value) -> str:
    """The value as text that no spreadsheet obeys: an apostrophe in front makes text of anything."""
    if value is None:
        return ""
    if isinstance(value, float | int):
        return f"{value:g}"
    # Where the decimal point is a comma, spreadsheets part cells at semicolons, whatever the quotes say.
    text = one_line(value).replace(";", ",")
    return f"'{text}" if unicodedata.normalize("NFKC", text).lstrip().startswith(COMMANDS) else text


def _typed(value: Value) -> str:
    """A cell of the workbook. What is a text there is never taken for anything else."""
    if value is None:
        return "<c/>"
    if isinstance(value, float | int):
        return f"<c><v>{value:g}</v></c>"
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(one_line(value)[:CELL_LONGEST])}</t></is></c>'


_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SPREADSHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# The parts that ECMA-376 asks of a workbook with one sheet.
_PARTS: Final = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_SPREADSHEET}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_SPREADSHEET}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="Results" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
# The names of the columns and of the candidates stay in sight.
_SHEET: Final = (
    f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    '<pane xSplit="1" ySplit="1" topLeftCell="B2" activePane="bottomRight" state="frozen"/></sheetView></sheetViews>'
    "<sheetData>{rows}</sheetData></worksheet>"
)
