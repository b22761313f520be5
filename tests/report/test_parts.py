"""The parts that a page is made of, each from the record alone."""

import pytest

from grader.record import ParameterExhibit, ParameterRow
from grader.report.diff import Line, diff_lines
from grader.report.parameters import parameter_rows

DIFF = "@@ -3,2 +3,2 @@\n same\n-old\n+new\n@@ -90 +91 @@\n+<b>"


def test_a_diff_is_told_line_by_line_with_its_places_in_words() -> None:
    assert diff_lines(DIFF, 1000).lines == [
        Line("place", "from line 3"),
        Line("same", " same"),
        Line("removed", "-old"),
        Line("added", "+new"),
        Line("place", "from line 91"),
        Line("added", "+<b>"),
    ]


def test_a_diff_is_cut_at_the_limit_and_what_is_left_out_is_counted() -> None:
    shown = diff_lines(DIFF, 60)

    assert (len(shown.lines), shown.left_out) == (2, 4)


@pytest.mark.parametrize("text", ["", "plain", "+ no diff\n- at all", "--- a\n+++ b"])
def test_what_is_no_diff_is_one_piece_of_text(text: str) -> None:
    assert diff_lines(text, 1000).lines == [Line("same", f" {text}")]


def row(name: str, shape: tuple[int, ...] | None, expected: tuple[int, ...] | None) -> ParameterRow:
    return ParameterRow(name=name, shape=shape, expected=expected)


ROWS = (row("right", (3,), (3,)), row("gone", None, ()), row("more", (2, 3), None), row("other", (2, 2), (2, 3)))


def test_parameters_that_differ_from_the_contract_come_first_and_say_how() -> None:
    table = parameter_rows(ParameterExhibit(config={}, rows=ROWS))

    assert [(r.name, r.shape, r.expected, r.label.word) for r in table.wrong] == [
        ("gone", "none", "()", "Missing"),
        ("more", "(2, 3)", "none", "Not in the contract"),
        ("other", "(2, 2)", "(2, 3)", "Another shape"),
    ]
    assert [(r.name, r.shape, r.same_start) for r in table.right] == [("right", "(3,)", None)]


def test_a_right_shape_with_other_first_values_is_told_where_first_values_are() -> None:
    table = parameter_rows(ParameterExhibit(config={}, rows=ROWS[:1], same_start=(False,)))

    assert [(r.name, r.label.word) for r in table.wrong] == [("right", "Starts otherwise")]


def test_first_values_of_other_rows_than_there_are_say_nothing() -> None:
    table = parameter_rows(ParameterExhibit(config={}, rows=ROWS, same_start=(False,)))

    assert [r.same_start for r in (*table.wrong, *table.right)] == [None] * 4
