"""results.csv: every value in its place, and no cell that a spreadsheet would run."""

import csv
import io
import unicodedata

from grader.cohort.summary import Row, Summary
from grader.cohort.table import render_table


def test_every_candidate_has_a_line_with_its_points_and_who_is_like_it(summary: Summary) -> None:
    head, *rows = csv.reader(io.StringIO(render_table(summary)))
    table = {row[-1]: dict(zip(head, row, strict=True)) for row in rows}

    assert list(table) == [row.folder for row in summary.rows]
    assert table["c1"] == {
        "candidate": "'=HYPERLINK(1)", "score": "10", "max_score": "40",
        "masking": "15", "masking status": "fixed", "kv-cache": "5", "kv-cache status": "partly",
        "bugs_left": "", "nearly_the_same_as": "", "hints": "", "grades": "", "started_at": "", "minutes": "",
        "remark": "", "folder": "c1",
    }  # fmt: skip
    assert (table["c0"]["nearly_the_same_as"], table["c7"]["nearly_the_same_as"]) == ("c7", "c0")
    assert table["c0"]["bugs_left"] == "masking"
    assert (table["none"]["score"], table["none"]["remark"]) == ("", "'=no model.py in <it>")


def test_no_cell_begins_like_a_formula_wherever_cells_are_parted(summary: Summary) -> None:
    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(render_table(summary)), delimiter=separator):
            for cell in row:
                plain = unicodedata.normalize("NFKC", cell).lstrip(' "')
                assert not plain.startswith(("=", "+", "-", "@", "\t", "\r")), (separator, cell)


def test_a_name_is_one_line_of_characters_that_can_be_seen(summary: Summary) -> None:
    written = render_table(summary)

    assert all(line.isprintable() for line in written.splitlines())
    assert len(written.splitlines()) == len(summary.rows) + 1


def test_who_was_not_graded_has_a_line_that_says_so_and_who_was_one_with_what_was_left_out() -> None:
    unread = Row.of_unread("ann", "ann", "no model.py in it; found: 'a.ipynb'")
    noted = Row(folder="bob", title="bob", score=1.0, cells={}, notes=("one", "two", "three", "four"))
    unjudged = Row.of("cy", "cy", None, "no answer came")
    summary = Summary(exercise="", items=(), rows=(unread, noted, unjudged), pairs=())
    lines = list(csv.DictReader(io.StringIO(render_table(summary))))

    assert [line["remark"] for line in lines] == [
        "not graded: no model.py in it, found: 'a.ipynb'",
        "one, two, 2 more notes in the report",
        "no answer came",
    ]
    assert lines[0]["score"] == ""
    assert (summary.unread, summary.unjudged) == ((unread,), (unjudged,))
