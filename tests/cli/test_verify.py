"""``grader verify``: what it prints of an exercise, sound or not, and its exit codes."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.exercise.model import StoredExercise, read_exercise
from grader.injection.verify import Verification

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

Verify = Callable[[Path], subprocess.CompletedProcess[str]]

BUGS = ("mask-peeks-one-ahead", "optimizer-never-steps")


@pytest.fixture
def verify(grader: Callable[..., subprocess.CompletedProcess[str]]) -> Verify:
    """``verify(folder)``: what the command ends with."""
    return lambda folder: grader("verify", folder)


def test_a_sound_exercise_is_told_with_who_sees_which_bug(verify: Verify, generated: Callable[..., Path]) -> None:
    folder = generated(operators=BUGS)
    done = verify(folder)
    verdicts = re.findall(r"^  (yes|no )  (.+)$", done.stdout, flags=re.MULTILINE)
    table = dict(re.findall(r"^([a-z][a-z0-9-]+) +([x.]  +[x.])$", done.stdout, flags=re.MULTILINE))

    assert done.returncode == 0
    assert done.stdout.startswith("A GPT with 2 bugs and 2 things to build (gpt-")
    assert done.stdout.endswith("\nThis exercise is sound.\n")
    assert [yes for yes, _ in verdicts] == ["yes"] * 7
    assert all(line.startswith("grader: ") for line in done.stderr.splitlines())
    killers = {bug.item: bug.killed_by for bug in read_exercise(folder).key.bugs}
    assert table.keys() == {check for seen in killers.values() for check in seen}
    for check, marks in table.items():
        assert [mark == "x" for mark in marks.split()] == [check in killers[item] for item in ("bug-1", "bug-2")]


def test_an_unsound_exercise_is_told_with_what_is_wrong_and_exit_code_1(
    verify: Verify, generated: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "ex"
    shutil.copytree(generated(operators=BUGS), folder)
    (folder / "starter" / "train.py").write_text("")
    done = verify(folder)

    assert done.returncode == 1
    assert "  no   the starter is the reference with 2 edits" in done.stdout
    assert "\n       train.py of the starter differs\n" in done.stdout
    assert done.stdout.count("\n  no   ") == 1
    assert done.stdout.endswith("\nThis exercise is not sound.\n")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, ["no such exercise:", "expected a directory with reference/ and starter/"]),
        (lambda folder: (folder / "reference").mkdir(parents=True), ["not an exercise:", "exercise.toml"]),
    ],
    ids=["absent", "empty"],
)
def test_what_is_no_exercise_is_refused(
    verify: Verify, make: Callable[[Path], object], words: list[str], tmp_path: Path
) -> None:
    make(tmp_path / "ex")
    done = verify(tmp_path / "ex")

    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_the_built_in_exercise_is_verified_by_its_name(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def sound(exercise: StoredExercise, *_: object) -> Verification:
        asked.append(exercise.rubric.id)
        return Verification()

    monkeypatch.setattr("grader.injection.verify.verify", sound)
    done = verify(Path("built-in"))

    assert asked == ["gpt-four-bugs"]
    assert done.returncode == 0
    assert done.stdout.startswith("A GPT with four bugs and two things to build (gpt-four-bugs)\n")
    assert done.stdout.endswith("\nThis exercise is sound.\n")


def test_the_built_in_exercise_cannot_be_renewed(grader: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = grader("verify", "built-in", "--renew")

    assert (done.returncode, done.stdout) == (2, "")
    assert "'built-in' cannot be renewed: it comes with the grader" in done.stderr
