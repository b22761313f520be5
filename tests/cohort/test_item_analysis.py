"""Facility and discrimination are the classical figures, of those alone that could be judged."""

import statistics

import pytest

from grader.cohort.row import Cell, Row
from grader.cohort.summary import FEWEST, STEADY, item_figures
from grader.result.record import Status

ITEMS = (("a", "A"), ("b", "B"), ("c", "C"))


def row(name: str, *points: float, status: Status = Status.FIXED, of: float = 10.0) -> Row:
    cells = {id: Cell(status, score, of) for (id, _), score in zip(ITEMS, points, strict=True)}
    return Row(folder=name, title=name, score=sum(points), max_score=3 * of, cells=cells)


def test_facility_is_the_mean_share_of_the_points() -> None:
    rows = [row("ann", 10, 0, 5), row("bob", 5, 0, 5)]

    assert [each.facility for each in item_figures(rows, ITEMS)] == [0.75, 0.0, 0.5]


def test_discrimination_is_the_correlation_with_the_rest_without_the_item_itself() -> None:
    points = [(number % 11, (number * 7) % 11, (number * number) % 11) for number in range(1, 31)]
    rows = [row(str(number), *map(float, each)) for number, each in enumerate(points)]
    found = item_figures(rows, ITEMS)
    of_a = statistics.correlation([a for a, _, _ in points], [b + c for _, b, c in points])
    with_itself = statistics.correlation([a for a, _, _ in points], [sum(each) for each in points])

    assert found[0].discrimination == pytest.approx(of_a)
    assert found[0].discrimination != pytest.approx(with_itself)
    assert "rough" not in found[0].meaning


def test_an_item_that_the_strong_have_wrong_is_worth_a_look() -> None:
    rows = [row(str(number), 10.0 * (number < 5), 10.0 * (number >= 5), 10.0 * (number >= 5)) for number in range(10)]
    first, second, _ = item_figures(rows, ITEMS)

    assert first.discrimination == pytest.approx(-1)
    assert first.meaning.startswith("who is strong in the rest has it wrong: look at the item")
    assert first.meaning.endswith(f"fewer than {STEADY} judged: take it as a rough figure")
    assert (second.discrimination, second.meaning) == (None, "all have the same points on the other items")


def test_too_few_or_all_alike_is_said_and_no_figure_given() -> None:
    few = [row(str(number), number, 0, 0) for number in range(FEWEST - 1)]
    alike = [row(str(number), 10, number, number) for number in range(FEWEST)]
    rest = [row(str(number), number, 3, 3) for number in range(FEWEST)]
    found = [item_figures(rows, ITEMS)[0] for rows in (few, alike, rest)]

    assert [each.discrimination for each in found] == [None] * 3
    assert found[0].meaning == f"fewer than {FEWEST} judged: too few to say"
    assert found[1].meaning == "all have the same points on it"
    assert found[2].meaning == "all have the same points on the other items"


def test_who_could_not_be_judged_is_left_out_and_counted() -> None:
    waiting = row("cy", 0, 0, 0, status=Status.WAITS)
    unread = Row.of_unread("eve", "eve", "nothing there")
    (figures, *_) = item_figures([row("ann", 10, 0, 0), waiting, unread], ITEMS)

    assert (figures.facility, figures.judged, figures.left_out) == (1.0, 1, 1)
    assert item_figures([unread], ITEMS)[0].facility is None


def test_what_waits_elsewhere_is_no_part_of_the_rest() -> None:
    cells = {"a": Cell(Status.FIXED, 10, 10), "b": Cell(Status.WAITS, 0, 10), "c": Cell(Status.FIXED, 10, 10)}
    strong = [
        Row(folder=str(number), title="", score=20, max_score=30, cells=cells) for number in range(FEWEST // 2)
    ]  # fmt: skip
    weak = [row(f"w{number}", 0, 0, 0) for number in range(FEWEST // 2)]

    assert item_figures([*strong, *weak], ITEMS)[0].discrimination == pytest.approx(1)
