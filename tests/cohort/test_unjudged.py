"""What could not be judged is no failure."""

from grader.cohort.page import render_index
from grader.cohort.row import Cell, Row
from grader.cohort.summary import Summary
from grader.cohort.table import render_table
from grader.result.record import Status

STATUSES = (Status.FIXED, Status.NOT_FIXED, Status.WAITS, Status.WAITS, Status.NOT_JUDGED)


def summary() -> Summary:
    rows = tuple(
        Row(
            folder=f"c{number}",
            title=f"c{number}",
            score=15.0 * (status is Status.FIXED),
            max_score=15.0,
            cells={"masking": Cell(status, 15.0 * (status is Status.FIXED), 15.0)},
        )
        for number, status in enumerate(STATUSES)
    )
    return Summary(exercise="E", items=(("masking", "Attention masking"),), rows=rows, pairs=())


def test_an_item_is_found_by_so_many_of_those_of_whom_it_could_be_told() -> None:
    made = summary()

    assert (made.right("masking"), made.judged("masking"), len(made.graded)) == (1, 2, 5)
    assert "1&nbsp;of&nbsp;2</td>" in render_index(made)


def test_what_waits_has_a_word_and_a_colour_of_its_own() -> None:
    page = render_index(summary())

    assert page.count('<td class="waits">') == 2
    assert '<option value="waits">Waits</option>' in page
    assert ".heat td:is(.waits) { color: var(--wait);" in page


def test_what_waits_waits_in_the_table() -> None:
    _, *lines = render_table(summary()).decode("utf-8-sig").splitlines()

    assert [line.split(",")[4] for line in lines] == [status.value for status in STATUSES]
