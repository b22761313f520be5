"""Checks are shared out among pairs: each is asked once, always by the same pair, what train.py may break last."""

from itertools import chain
from typing import Any

import pytest

from grader.exercise.model import StoredExercise
from grader.grading.diagnosis import Diagnosis
from grader.grading.options import Options
from grader.grading.schedule import Schedule
from grader.seeds import Seeds

PAIRS = 2


@pytest.fixture
def shares(exercise: StoredExercise) -> list[list[Any]]:
    items, followups = exercise.asked((), followups=True)
    schedule = Schedule(
        exercise=exercise,
        items=items,
        followups=followups,
        diagnosis=Diagnosis(exercise, {}),
        seeds=Seeds(1, ""),
        options=Options(),
        draws=None,
        progress=lambda _: None,
    )
    assert schedule.shares(PAIRS) == schedule.shares(PAIRS)
    return schedule.shares(PAIRS)


def test_each_check_is_asked_once(shares: list[list[Any]], exercise: StoredExercise) -> None:
    asked = sorted(check.id for part in chain(*shares) for check in part.checks)
    items = (*exercise.rubric.item, *(item for item in exercise.rubric.followup if item.kind == "followup"))

    assert asked == sorted(check for item in items for check in (*item.earns, *item.takes))
    assert all(part.checks for part in chain(*shares))


def test_both_pairs_ask_of_every_item(shares: list[list[Any]], exercise: StoredExercise) -> None:
    for share in shares:
        assert {item.id for item in exercise.rubric.item} <= {part.item.id for part in share}


def test_what_may_break_train_py_and_what_is_extra_comes_last(shares: list[list[Any]]) -> None:
    for share in shares:
        names = [part.item.id for part in share if part.item.kind != "followup"]

        assert set(names[-2:]) == {"training-step", "classifier"}
        assert [part.item.id for part in share[: len(names)]] == names
