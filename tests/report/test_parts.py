"""The parts that a page is made of, each from the record alone."""

import pytest

from grader.report.exhibits import parameter_rows
from grader.report.grid import MAX_COLUMNS, MAX_ROWS, token_table
from grader.report.page_parts import Line, diff_lines
from grader.result.record import ParameterExhibit, ParameterRow, TokenGrid

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

    assert table.wrong == []
    assert [(r.name, r.label.word) for r in table.starts] == [("right", "Starts otherwise")]


def test_first_values_of_other_rows_than_there_are_say_nothing() -> None:
    table = parameter_rows(ParameterExhibit(config={}, rows=ROWS, same_start=(False,)))

    assert [r.same_start for r in (*table.wrong, *table.right)] == [None] * 4


def shown(grid: TokenGrid) -> list[str]:
    """Each row of the table: its title, then each cell with its symbol."""
    return [
        f"{row.title}: "
        + " | ".join(f"{cell.mark.symbol}{cell.text}" if cell.mark else cell.text for cell in row.cells)
        for row in token_table(grid).rows
    ]


def test_below_the_tokens_stands_which_logits_moved_and_which_of_that_is_wrong() -> None:
    grid = TokenGrid(
        tokens=((3, 1, 4),), changed=((0, 1),), replaced_by=(2,), moved=((0, 0), (0, 1)), wrong=((0, 0), (0, 2))
    )

    assert shown(grid) == ["tokens: 3 | ✎1 → 2 | 4", "logits: ✗moved | ≠moved | ✗same"]
    assert [mark.meaning for mark in token_table(grid).legend] == [
        "token that was changed, old → new",
        "logits that moved, and must not",
        "logits that moved, as they may",
        "logits that are the same, and must not be",
    ]


def test_where_no_token_was_touched_logits_differ_rather_than_move() -> None:
    grid = TokenGrid(tokens=((3, 1, 4),), moved=((0, 1), (0, 2)), wrong=((0, 1),))

    assert shown(grid) == ["tokens: 3 | 1 | 4", "logits: =same | ✗differ | ≠differ"]


def test_a_wrong_label_is_marked_below_its_token() -> None:
    grid = TokenGrid(tokens=((3, 4), (5, 6)), labels=((1, 1), (1, 0)), wrong=((0, 1),))

    assert shown(grid) == [
        "row 0, tokens: 3 | 4",
        "row 0, labels: 1 | ✗1",
        "row 1, tokens: 5 | 6",
        "row 1, labels: 1 | 0",
    ]


def test_tokens_of_which_nothing_else_is_known_stand_alone() -> None:
    assert shown(TokenGrid(tokens=((7, 7),), named=((0, 1),))) == ["tokens: 7 | ◆7"]


def test_a_change_of_an_older_record_that_does_not_say_into_what_is_a_change_all_the_same() -> None:
    assert shown(TokenGrid(tokens=((7,),), changed=((0, 0),))) == ["tokens: ✎7 → ?"]


def test_a_large_grid_is_cut_and_says_so() -> None:
    table = token_table(TokenGrid(tokens=((1,) * (MAX_COLUMNS + 1),) * (MAX_ROWS + 1)))

    assert (table.cut, len(table.rows), {len(row.cells) for row in table.rows}) == (True, MAX_ROWS, {MAX_COLUMNS})
