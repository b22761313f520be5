"""A subset of the bugs is graded as it should be, or it is said what is wrong with it."""

from contextlib import closing
from typing import Any

import pytest

from grader.exercise.key import Row
from grader.exercise.model import StoredExercise
from grader.injection.verify import complaints, prove
from grader.sandbox.client import Launcher

FULL_MARKS = {"bug-1": 60.0, "bug-2": 40.0}
RIGHT: dict[str, Any] = {
    "left": ("bug-1",),
    "statuses": {"bug-1": "not-fixed", "bug-2": "fixed"},
    "remaining": ("bug-1",),
    "scores": {"bug-1": 0, "bug-2": 40},
}


@pytest.mark.parametrize("remaining", [("bug-1",), None], ids=["named", "not-told"])
def test_of_what_is_as_it_should_be_nothing_is_said(remaining: tuple[str, ...] | None) -> None:
    assert complaints(Row(**RIGHT | {"remaining": remaining}), FULL_MARKS) == {}


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        pytest.param({"statuses": {"bug-1": "fixed", "bug-2": "fixed"}},
                     {"bug-1": "fixed instead of not-fixed"}, id="a-bug-taken-for-fixed"),
        pytest.param({"statuses": {"bug-1": "not-fixed", "bug-2": "partly"}},
                     {"bug-2": "partly instead of fixed"}, id="a-fixed-bug-taken-for-half-fixed"),
        pytest.param({"scores": {"bug-1": 5, "bug-2": 40}}, {"bug-1": "5 points instead of 0"}, id="points-for-a-bug"),
        pytest.param({"scores": {"bug-1": 0, "bug-2": 39.5}}, {"bug-2": "39.5 points instead of 40"}, id="points-lost"),
        pytest.param({"remaining": ()}, {"bug-1": "not named as left in"}, id="a-bug-not-named"),
        pytest.param({"remaining": ("bug-1", "bug-2")}, {"bug-2": "named as left in"}, id="a-fixed-bug-named"),
        pytest.param({"left": ("bug-2",)},
                     {"bug-1": "not-fixed instead of fixed", "bug-2": "fixed instead of not-fixed"}, id="both"),
    ],
)  # fmt: skip
def test_every_item_that_is_graded_wrongly_is_told_with_how(wrong: dict[str, Any], expected: dict[str, str]) -> None:
    assert complaints(Row(**RIGHT | wrong), FULL_MARKS) == expected


@pytest.mark.slow  # two subsets of the built-in exercise are graded
def test_a_proof_that_is_given_up_grades_no_more_and_leaves_the_launcher_as_it_was(
    launcher: Launcher, exercise: StoredExercise
) -> None:
    said: list[str] = []
    for taken in (1, 0):
        with closing(prove(exercise, launcher, 5, said.append)) as proof:
            rows = [row for row, _ in zip(proof, range(taken), strict=False)]

        assert [(row.left, row.remaining) for row in rows] == [((), ())][:taken]
    assert len(said) <= 4  # at most the one that was not taken, and those that were under way
    assert launcher.started.torch
