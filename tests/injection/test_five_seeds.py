"""Whatever the seed, the exercise is sound; and other seeds have other bugs, of many kinds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.exercise.model import read_exercise
from grader.injection.verify import verify
from grader.sandbox.client import Launcher

pytestmark = pytest.mark.slow  # an exercise is built and proven twice over: some twenty seconds each

SEEDS = range(5)
BUGS = 3


@pytest.mark.parametrize("seed", SEEDS)
def test_an_exercise_of_any_seed_is_sound(seed: int, generated: Callable[..., Path], launcher: Launcher) -> None:
    exercise = read_exercise(generated(seed=seed, bugs=BUGS))
    found = verify(exercise, launcher, lambda _: None)

    assert [finding for finding in found.findings if finding.wrong] == []
    assert found.sound
    assert len(exercise.key.bugs) == len({bug.category for bug in exercise.key.bugs}) == BUGS
    assert found.matrix == {bug.item: bug.killed_by for bug in exercise.key.bugs}


def test_five_seeds_have_a_dozen_bugs_of_eight_categories(generated: Callable[..., Path]) -> None:
    exercises = [read_exercise(generated(seed=seed, bugs=BUGS)) for seed in SEEDS]
    bugs = [bug for exercise in exercises for bug in exercise.key.bugs]

    assert len({bug.operator for bug in bugs}) >= 12
    assert len({bug.category for bug in bugs}) >= 8
    assert len({exercise.rubric.id for exercise in exercises}) == len(exercises)
    assert {bug.file for bug in bugs} == {"model.py", "train.py"}
