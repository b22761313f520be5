"""A second round beside the first: people are matched by what is sure, and who is new or gone is said."""

import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace as changed

from grader.cohort.page import render_index
from grader.cohort.row import Cell, Row, beside, read_round
from grader.cohort.summary import Summary
from grader.cohort.table import render_table
from grader.errors import UsageError
from grader.result.record import Status, to_json

ITEMS = (("masking", "Attention masking"),)


def row(folder: str, score: float, title: str = "") -> Row:
    cell = Cell(Status.FIXED if score else Status.NOT_FIXED, score, 15.0)
    return Row(folder=folder, title=title or folder, score=score, max_score=15.0, cells={"masking": cell})


def test_a_candidate_is_matched_by_folder_and_its_change_is_said() -> None:
    rows = (row("ann", 15), row("bob", 5), row("new", 15))
    before = beside((row("ann", 0), row("bob", 15), row("gone", 15)), rows, {})

    assert {folder: was.folder for folder, was in before.was.items()} == {"ann": "ann", "bob": "bob"}
    assert [before.change(each) for each in rows] == [15, -10, None]
    assert [before.item_change(each, "masking") for each in rows] == [15, -10, None]
    assert before.item_change(rows[0], "kv-cache") is None
    assert (before.new, [each.folder for each in before.gone], before.unclear) == (("new",), ["gone"], ())


@pytest.mark.parametrize(
    ("then", "now", "person"),
    [
        ("Ann Lee_1111", "Ann Lee_2222", "Ann Lee"),  # Moodle's number is another for each assignment
        ("Ann Lee (submission_1)", "Ann Lee (submission_2)", "Ann Lee"),
        ("leeann_77", "leeann_77", ""),  # Canvas's is the person's own
    ],
    ids=["moodle", "gradescope", "canvas"],
)
def test_a_person_is_matched_by_name_where_the_folder_is_another(then: str, now: str, person: str) -> None:
    before = beside((row("then", 0, then),), (row("now", 15, now),), {"now": person})

    assert before.was["now"].folder == "then"
    assert (before.new, before.gone) == ((), ())


def test_of_two_of_one_name_neither_is_guessed() -> None:
    then = (row("a", 0, "Ann Lee_1"), row("b", 15, "Ann Lee_2"))
    now = (row("c", 15, "Ann Lee_3"), row("d", 15, "Cy_4"), row("e", 15, "Cy_5"))
    before = beside((*then, row("f", 0, "Cy_6")), now, {"c": "Ann Lee", "d": "Cy", "e": "Cy"})

    assert before.was == {}
    assert before.unclear == before.new == ("c", "d", "e")


def test_a_folder_with_a_number_that_no_platform_gave_is_not_taken_for_a_person() -> None:
    assert beside((row("group_1", 0),), (row("group_2", 15),), {"group_2": ""}).was == {}


def test_page_and_table_have_both_rounds() -> None:
    rows = (row("ann", 15), row("bob", 5), row("new", 15))
    plain = Summary(exercise="", items=ITEMS, rows=rows, pairs=())
    summary = replace(plain, before=beside((row("ann", 0), row("bob", 15), row("gone <b>", 15)), rows, {}))
    page, table = render_index(summary), render_table(summary).decode("utf-8-sig")

    assert re.findall(r'<tr id="c-(\w+)".*?<td class="amount">\S+</td><td class="amount">(\S+)</td>', page) == [
        ("ann", "+15"), ("new", "new"), ("bob", "\N{MINUS SIGN}10"),
    ]  # fmt: skip
    assert '<td class="fixed">✓ 15 (+15)</td>' in page
    assert "gone &lt;b&gt;" in page
    assert "score_before,change,remark,folder" in table.splitlines()[0]
    assert ",0,15,,ann" in table
    assert "score_before" not in render_table(plain).decode("utf-8-sig")
    assert 'id="rounds"' not in render_index(plain)


@pytest.fixture
def kept(samples: ModuleType, tmp_path: Path) -> Path:
    """A cohort that was graded before."""
    (tmp_path / "first" / "candidates" / "ann").mkdir(parents=True)
    (tmp_path / "first" / "cohort.json").write_text("{}")
    (tmp_path / "first" / "candidates" / "ann" / "result.json").write_bytes(to_json(samples.starter()))
    return tmp_path / "first"


def test_the_rows_of_an_earlier_round_are_read_from_its_results(kept: Path, samples: ModuleType) -> None:
    result = samples.starter()
    (found,) = read_round(kept, result.exercise.id)

    assert found == Row.of("ann", result.candidate.name, result, "")


def test_what_is_no_round_of_this_exercise_is_refused(kept: Path, samples: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no cohort in .*expected the directory that `grader cohort -o` wrote"):
        read_round(tmp_path, "x")
    with pytest.raises(UsageError, match=r"is about the exercise .* expected two rounds of one exercise"):
        read_round(kept, "another")
    (kept / "candidates" / "ann" / "result.json").write_text("{")
    with pytest.raises(UsageError, match=r"cannot read .*result\.json"):
        read_round(kept, samples.starter().exercise.id)
    (kept / "candidates" / "ann" / "result.json").unlink()
    with pytest.raises(UsageError, match="nothing was graded"):
        read_round(kept, changed(samples.starter().exercise, id="x").id)
