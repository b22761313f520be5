"""A submission to an exercise with an adapter.py: how it is called is not for it to say."""

from dataclasses import replace

import pytest

from grader.exercise.model import Exercise
from grader.grading.session import fitted
from grader.submission.read import Submission, submission_of

ADAPTER = "NAMES = {}\n"


@pytest.fixture
def adapted(exercise: Exercise) -> Exercise:
    """An exercise with an adapter.py, and without a train.py."""
    return Exercise({"model.py": "x = 1\n", "adapter.py": ADAPTER}, "", exercise.rubric, exercise.key)


def handed_in(**files: str) -> Submission:
    return submission_of("candidate", {f"{name}.py": text for name, text in files.items()})


def test_its_own_adapter_gives_way_and_a_note_says_so(adapted: Exercise) -> None:
    found = fitted(handed_in(model="x = 2\n", adapter="def logits(net, tokens): ...\n"), adapted)

    assert found.files == {"model.py": "x = 2\n", "adapter.py": ADAPTER}
    assert found.notes == ("adapter.py was not read: the exercise has its own, which says how a model is called",)


@pytest.mark.parametrize("files", [{"adapter": ADAPTER}, {}], ids=["as-handed-out", "left-out"])
def test_nothing_is_said_of_one_that_is_as_it_was_or_not_there(files: dict[str, str], adapted: Exercise) -> None:
    found = fitted(handed_in(model="x = 2\n", **files), adapted)

    assert found.files == {"model.py": "x = 2\n", "adapter.py": ADAPTER}
    assert found.notes == ()


def test_a_train_py_that_the_exercise_does_not_have_is_left_out(adapted: Exercise) -> None:
    found = fitted(handed_in(model="x = 2\n", train="y = 3\n"), adapted)

    assert "train.py" not in found.files
    assert found.notes == ("train.py was not read: this exercise has none",)


def test_that_there_is_no_train_py_is_told_of_an_exercise_that_has_one(adapted: Exercise) -> None:
    with_train = replace(adapted, reference={**adapted.reference, "train.py": "y = 1\n"})
    missing = handed_in(model="x = 2\n")

    assert fitted(missing, with_train).files["train.py"] == missing.files["train.py"]


def test_where_the_contract_is_kept_nothing_changes(exercise: Exercise) -> None:
    submission = handed_in(model="x = 2\n", train="", adapter="helper = 1\n")

    assert fitted(submission, exercise) is submission
