"""results.csv: every value in its place, and no cell that a spreadsheet would run."""

import csv
import io
import unicodedata
import zipfile
from dataclasses import replace
from xml.etree import ElementTree

from grader.cohort.page import render_index
from grader.cohort.row import Past, Row
from grader.cohort.summary import Summary
from grader.cohort.table import render_table, render_workbook
from grader.result.record import EventKind, Timeline, TimelineEvent


def test_every_candidate_has_a_line_with_its_points_and_who_is_like_it(summary: Summary) -> None:
    head, *rows = csv.reader(io.StringIO(render_table(summary).decode("utf-8-sig")))
    table = {row[-1]: dict(zip(head, row, strict=True)) for row in rows}

    assert list(table) == [row.folder for row in summary.rows]
    assert table["c1"] == {
        "candidate": "'=HYPERLINK(1)", "score": "10", "max_score": "40",
        "masking": "15", "masking status": "fixed", "kv-cache": "5", "kv-cache status": "partly",
        "followups": "0", "bugs_left": "none", "nearly_the_same_as": "", "group": "", "hints": "", "grades": "",
        "started_at": "", "last_at": "", "minutes": "", "does_not_run": "", "remark": "", "folder": "c1",
    }  # fmt: skip
    assert (table["c0"]["nearly_the_same_as"], table["c7"]["nearly_the_same_as"]) == ("c7", "c0")
    assert (table["c0"]["group"], table["c7"]["group"]) == ("1", "1")
    assert table["c0"]["bugs_left"] == "masking"
    assert table["none"]["bugs_left"] == ""
    assert (table["none"]["score"], table["none"]["remark"]) == ("", "'=no model.py in <it>")


def test_no_cell_begins_like_a_formula_wherever_cells_are_parted(summary: Summary) -> None:
    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(render_table(summary).decode("utf-8-sig")), delimiter=separator):
            for cell in row:
                plain = unicodedata.normalize("NFKC", cell).lstrip(' "')
                assert not plain.startswith(("=", "+", "-", "@", "\t", "\r")), (separator, cell)


def test_the_workbook_holds_the_same_and_each_value_is_a_number_or_a_text(summary: Summary) -> None:
    main = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    archive = zipfile.ZipFile(io.BytesIO(render_workbook(summary)))
    sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    rows = [[(cell.get("t"), "".join(cell.itertext())) for cell in row] for row in sheet.iter(f"{main}row")]
    written = list(csv.reader(io.StringIO(render_table(summary).decode("utf-8-sig"))))

    assert [[text for _, text in row][1:3] for row in rows] == [row[1:3] for row in written]
    assert rows[2][:2] == [("inlineStr", "=HYPERLINK(1)"), (None, "10")]  # a text there is never a formula
    assert not list(sheet.iter(f"{main}f"))
    assert len({len(row) for row in rows}) == 1
    assert render_workbook(summary) == render_workbook(summary)
    for name in archive.namelist():
        ElementTree.fromstring(archive.read(name))


def test_the_csv_begins_with_the_mark_that_excel_needs(summary: Summary) -> None:
    assert render_table(summary).startswith(b"\xef\xbb\xbfcandidate,")


def test_a_name_is_one_line_of_characters_that_can_be_seen(summary: Summary) -> None:
    written = render_table(summary).decode("utf-8-sig")

    assert all(line.isprintable() for line in written.splitlines())
    assert len(written.splitlines()) == len(summary.rows) + 1


def test_who_was_not_graded_has_a_line_that_says_so_and_who_was_one_with_what_was_left_out() -> None:
    unread = Row.of_unread("ann", "ann", "no model.py in it; found: 'a.ipynb'")
    noted = Row(folder="bob", title="bob", score=1.0, cells={}, notes=("one", "two", "three", "four"))
    unjudged = Row.of("cy", "cy", None, "no answer came")
    summary = Summary(exercise="", items=(), rows=(unread, noted, unjudged), pairs=())
    lines = list(csv.DictReader(io.StringIO(render_table(summary).decode("utf-8-sig"))))

    assert [line["remark"] for line in lines] == [
        "not graded: no model.py in it, found: 'a.ipynb'",
        "one, two, 2 more notes in the report",
        "no answer came",
    ]
    assert lines[0]["score"] == ""
    assert (summary.unread, summary.unjudged) == ((unread,), (unjudged,))


def test_how_it_came_about_has_columns_where_a_history_was_handed_in(summary: Summary) -> None:
    past = Past(
        started_at="2026-11-29T19:00:00Z", last_at="2026-11-29T19:50:00Z", minutes=47.5, grades=12, hints=3, whole=False
    )
    rows = (replace(summary.rows[0], past=past), *summary.rows[1:])
    with_one = replace(summary, rows=rows)
    head, first, second, *_ = csv.reader(io.StringIO(render_table(with_one).decode("utf-8-sig")))
    found, without = (dict(zip(head, row, strict=True)) for row in (first, second))

    assert [found[name] for name in ("hints", "grades", "started_at", "minutes")] == [
        "3", "12", "2026-11-29T19:00:00Z", "47.5",
    ]  # fmt: skip
    assert [without[name] for name in ("hints", "grades", "started_at", "minutes")] == [""] * 4
    assert found["remark"] == "its history does not hold together"
    assert ('data-column="hints"' in render_index(with_one)) is True
    assert ('data-column="hints"' in render_index(summary)) is False
    assert '<td class="date">2026-11-29 19:50</td>' in render_index(with_one)


def test_the_past_of_a_candidate_is_counted_from_its_timeline() -> None:
    hint = TimelineEvent(kind=EventKind.HINT, at="", minute=12.5, item="masking", number=2)
    timeline = Timeline(started_at="s", last_at="l", grades=4, hints={"masking": 2, "position": 1}, events=(hint,))

    assert Past.of(None) is None
    assert Past.of(timeline) == Past(started_at="s", last_at="l", minutes=12.5, grades=4, hints=3, whole=True)
