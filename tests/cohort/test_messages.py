"""All that decides a verdict travels by value: a job may run where the exercise does not lie."""

import dataclasses
from pathlib import Path

import pytest

from grader.cohort.pool import Setup, decode, encode, setup_of
from grader.exercise.model import Exercise, StoredExercise
from grader.grading.options import Options
from grader.own_tests.followup import written
from grader.result.record import Audience


def arrived(exercise: Exercise) -> Exercise:
    """The exercise as a job has it."""
    setup = decode(encode(setup_of(exercise, Options(only=("masking",), timeout=3), Audience.LEARNER)))
    assert isinstance(setup, Setup)
    return setup.exercise


def test_an_exercise_arrives_as_it_was_sent(exercise: StoredExercise) -> None:
    assert arrived(exercise) == exercise
    in_memory = Exercise(exercise.reference, exercise.visible_tests, exercise.rubric, exercise.key)
    assert arrived(in_memory) == in_memory


def test_the_starters_tests_are_known_where_its_folder_is_not(exercise: StoredExercise, tmp_path: Path) -> None:
    elsewhere = dataclasses.replace(exercise, starter_directory=tmp_path / "absent")
    visible = (exercise.starter_directory / "test_visible.py").read_text("utf-8")

    assert written({"test_visible.py": visible}, arrived(elsewhere).visible_tests) == {}


@pytest.mark.parametrize("name", ["test_mine.py", "test_visible.py"])
def test_other_tests_are_the_submissions_own(name: str, exercise: StoredExercise) -> None:
    tests = {name: "def test_x(): pass\n"}

    assert written(tests, exercise.visible_tests) == tests
