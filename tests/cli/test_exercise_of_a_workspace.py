"""A workspace is graded against the exercise that it was started from, and it is said which that is."""

import json
import shutil
import subprocess
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from grader.cli import start
from grader.cli.exercises import (
    BUILT_IN,
    chosen_exercise,
    exercise_to_grade,
    note_on_another_starter,
    reference_directory,
)
from grader.errors import UsageError
from grader.exercise.model import Exercise, read_exercise
from grader.injection.build import Built
from grader.injection.folder import write
from grader.learner.hints import right_now
from grader.learner.workspace import RECORD, read_workspace
from grader.result.record import Audience

Grader = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def another(exercise: Exercise, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exercise of one bug, made by hand: proving one takes longer than all of these tests."""
    change = msgspec.structs.replace
    bug = next(bug for bug in exercise.key.bugs if bug.item == "masking")
    made = replace(
        exercise,
        rubric=change(
            exercise.rubric, id="one-bug", title="One bug", item=(exercise.items["masking"],), followup=(), twins={}
        ),
        key=change(exercise.key, bugs=(bug,), stubs=()),
    )
    folder = tmp_path_factory.mktemp("another") / "ex"
    write(Built(made, made.starter(), ()), folder)
    return folder


def workspace(tmp_path: Path, exercise: Path | None) -> Path:
    directory = tmp_path / "mine"
    start.run(Namespace(directory=directory, exercise=exercise, minutes=None, feedback=None))
    return directory


def told(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())


def test_a_workspace_names_its_exercise(another: Path, tmp_path: Path) -> None:
    choice = exercise_to_grade(workspace(tmp_path, another), None)

    assert (choice.exercise, choice.by_workspace, choice.notes) == (another, True, ())
    assert choice.named == f"{another}, as .grader.json in this workspace says"


def test_a_workspace_of_the_built_in_one_says_so_too(tmp_path: Path) -> None:
    choice = exercise_to_grade(workspace(tmp_path, None), None)

    assert (choice.exercise, choice.named) == (None, "the built-in one, as .grader.json in this workspace says")


def test_the_exercise_that_is_named_wins_and_the_other_is_told(another: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "ex"
    choice = exercise_to_grade(workspace(tmp_path, another), elsewhere)

    assert (choice.exercise, choice.by_workspace) == (elsewhere, False)
    assert choice.named == f"{elsewhere}, as --exercise says"
    assert f"this was started from '{another}'" in told(choice.notes)
    assert exercise_to_grade(tmp_path / "mine", another).notes == ()


def test_a_folder_that_is_no_workspace_is_graded_against_the_built_in_one(tmp_path: Path) -> None:
    assert exercise_to_grade(tmp_path, None) == (None, "", False, ())


def test_an_exercise_that_is_gone_is_a_usage_error(another: Path, tmp_path: Path) -> None:
    directory = workspace(tmp_path, another)
    record = json.loads((directory / RECORD).read_text()) | {"exercise": str(tmp_path / "gone")}
    (directory / RECORD).write_text(json.dumps(record))

    with pytest.raises(UsageError, match=r"is not at '.*gone' any more; say where it is with --exercise"):
        exercise_to_grade(directory, None)
    assert exercise_to_grade(directory, another).exercise == another


@pytest.mark.parametrize("where", [".", "ex", "deep/ex", "link"])
def test_an_exercise_in_the_submission_itself_is_not_taken_at_its_word(
    where: str, another: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "mine"
    lies_at = directory / where
    lies_at.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(another, directory / "kept" if where == "link" else lies_at, dirs_exist_ok=True)
    if where == "link":
        (tmp_path / "link").symlink_to(directory / "kept")
        lies_at = tmp_path / "link"
    (directory / RECORD).write_text(json.dumps({"exercise": str(lies_at)}))

    with pytest.raises(UsageError, match="names an exercise that lies in that directory"):
        exercise_to_grade(directory, None)
    assert exercise_to_grade(directory, BUILT_IN).named == "the built-in one, as --exercise says"


def test_the_built_in_one_can_be_named(another: Path, tmp_path: Path, exercise: Exercise) -> None:
    choice = exercise_to_grade(workspace(tmp_path, another), BUILT_IN)

    assert (choice.exercise, choice.by_workspace) == (BUILT_IN, False)
    assert chosen_exercise(BUILT_IN).sha256 == exercise.sha256
    assert reference_directory(BUILT_IN) == reference_directory(None)


@pytest.mark.parametrize("text", ["{", "[]", '{"exercise": 3}'])
def test_a_record_that_says_nothing_keeps_nobody_from_being_graded(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(text)
    choice = exercise_to_grade(tmp_path, None)

    assert (choice.exercise, choice.by_workspace) == (None, False)
    assert "is damaged" in told(choice.notes)


def test_a_workspace_that_was_started_with_other_code_is_noticed(
    another: Path, exercise: Exercise, tmp_path: Path
) -> None:
    directory = workspace(tmp_path, another)

    assert note_on_another_starter(directory, read_exercise(another).starter()) == ()
    assert "the starter of another exercise" in told(note_on_another_starter(directory, exercise.starter()))
    assert note_on_another_starter(tmp_path, exercise.starter()) == ()


def test_an_exercises_own_starter_is_noticed_where_nobody_names_the_exercise(another: Path) -> None:
    assert "name it with --exercise" in told(exercise_to_grade(another / "starter", None).notes)
    assert exercise_to_grade(another / "starter", another).notes == ()


@pytest.mark.slow
def test_grade_honours_it_and_shows_the_learners_copy(another: Path, tmp_path: Path, grader: Grader) -> None:
    # A whole grade: that the exercise reaches the verdict, and the audience every file, is what the rest leaves open.
    directory = workspace(tmp_path, another)
    ended = grader("grade", ".", "--json", tmp_path / "result.json", cwd=directory)
    result = json.loads((tmp_path / "result.json").read_text())

    assert (ended.returncode, result["exercise"]["id"], result["score"]) == (1, "one-bug", 0)
    assert (result["audience"], result["environment"]["seed"]) == (Audience.LEARNER, None)
    assert f"Exercise: {another}, as .grader.json in this workspace says" in told(ended.stdout.splitlines())
    assert "This is the learner's copy" in ended.stdout
    assert "\nNext: Attention masking. For a hint: grader hint . masking\n" in ended.stdout
    assert read_workspace(directory).exercise == str(another)
    assert right_now(directory) == {"does-not-run"}

    assert "1 grade and 0 hints" in grader("history", directory).stdout
    handed_in = grader("grade", directory, "--audience", "instructor", "--json", "-", cwd=tmp_path)
    assert json.loads(handed_in.stdout)["timeline"]["grades"] == 1
    assert "1 grade and 0 hints" in grader("history", directory).stdout  # an instructor leaves it as it was

    (directory / RECORD).unlink()
    named = grader("grade", directory, "--exercise", another, "--json", "-", cwd=tmp_path)
    assert json.loads(named.stdout)["audience"] == Audience.INSTRUCTOR
    assert not (directory / RECORD).exists()  # an instructor leaves it as it was handed in
