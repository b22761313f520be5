"""What an assistant may ask of a workspace is answered as to a learner, without a grade where none is needed."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import convert

from grader.assistant.tutor import Tutor
from grader.cli import start
from grader.errors import CannotJudge, UsageError
from grader.exercise.model import StoredExercise
from grader.learner.workspace import read_workspace, record_grade
from grader.result.record import Result
from grader.submission.read import read_submission

SECRET = "0.123456789"
CHECK = {
    "id": "future-is-hidden",
    "title": "Changing a later token never changes the logits before it.",
    "outcome": "failed",
    "role": "earns",
    "score": 0,
    "max_score": 6,
    "seconds": 0.1,
    "message": "they moved",
    "why": "It copies the answer.",
    "usual_causes": ["The mask starts too late."],
    "counterexample": {
        "claim": "the logits stay the same",
        "seen": "the logits at position 0 moved",
        "config": {"vocab_size": 3},
        "snippet": "print(1)",
        "hidden": {"expected": SECRET, "note": ""},
    },
}


class Graded:
    """Gives the results that it was made with, one after the other, and keeps what it was asked for."""

    def __init__(self, directory: Path, *outcomes: str) -> None:
        self._directory = directory
        self._outcomes = list(outcomes)
        self.asked: list[Sequence[str]] = []

    def grade(self, submission: Path, *, only: Sequence[str] = (), timeout: float = 10.0) -> Result:
        self.asked.append(only)
        outcome = self._outcomes.pop(0)
        if outcome == "cannot":
            raise CannotJudge("nothing could be judged: no memory")
        fixed = outcome == "passed"
        return convert(
            {
                "exercise": {"id": "x", "title": "An exercise"},
                "candidate": {"name": "mine", "sha256": read_submission(self._directory).sha256},
                "score": 15 if fixed else 0,
                "max_score": 15,
                "items": [
                    {
                        "id": "masking",
                        "title": "Attention masking",
                        "status": "fixed" if fixed else "not-fixed",
                        "score": 15 if fixed else 0,
                        "max_score": 15,
                        "lane": "bitwise",
                        "summary": "",
                        "hints": [] if fixed else ["hint one", "hint two", "hint three"],
                        "checks": [{**CHECK, "outcome": outcome}],
                    }
                ],
                "remaining_bugs": [] if fixed else ["masking"],
                "environment": {
                    **dict.fromkeys(("grader", "torch", "python", "platform", "cpu"), ""),
                    "threads": 1,
                    "packages": {},
                    "seed": 987654321,
                    "isolation": {"mode": "strict", "layers": [], "missing": []},
                },
                "asked": {"only": [], "thorough": False, "timeout": 10.0},
                "integrity": {"exercise": "", "grader": "", "environment": ""},
                "seconds": 1.0,
            },
            Result,
        )


@pytest.fixture
def workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    start.run(Namespace(directory=tmp_path / "mine", exercise=None, minutes=None, feedback=None))
    capsys.readouterr()
    return tmp_path / "mine"


def tutor(exercise: StoredExercise, directory: Path, *outcomes: str) -> Tutor:
    def remember(result: Result) -> None:
        record_grade(directory, read_submission(directory), result, exercise.starter(), "mcp")

    return Tutor(directory, exercise, Graded(directory, *outcomes), remember)


def test_the_requirements_are_the_handout_with_the_names_that_are_asked_for(
    exercise: StoredExercise, workspace: Path
) -> None:
    text = tutor(exercise, workspace).requirements()

    assert (workspace / "README.md").read_text("utf-8").rstrip() in text
    assert [name for name in exercise.titles if f"- {name}: " not in text] == []


def test_a_grade_names_what_fails_and_what_can_be_explained_and_no_hint(
    exercise: StoredExercise, workspace: Path
) -> None:
    text = tutor(exercise, workspace, "failed").grade()

    assert "Score: 0 of 15" in text
    assert "- future-is-hidden (Attention masking): ✗ Failed" in text
    assert not any(hidden in text for hidden in ("hint one", "too late", SECRET, "987654321"))


def test_a_check_is_explained_with_its_smallest_case_and_its_causes_behind_the_third_hint(
    exercise: StoredExercise, workspace: Path
) -> None:
    asked = tutor(exercise, workspace, "failed")
    asked.grade()
    first = asked.explain("future-is-hidden")
    hints = [asked.hint("masking") for _ in range(3)]
    last = asked.explain("future-is-hidden")

    assert "Was seen: the logits at position 0 moved" in first
    assert "print(1)" in first
    assert "too late" not in first
    assert "- The mask starts too late." in last
    assert SECRET not in first + last
    assert [text.partition(":")[0] for text in hints] == [f"Attention masking, hint {n} of 3" for n in (1, 2, 3)]


def test_hints_are_counted_in_the_workspace_as_the_command_counts_them(
    exercise: StoredExercise, workspace: Path
) -> None:
    asked = tutor(exercise, workspace)
    asked.hint("position")
    asked.hint("multi-head")

    assert read_workspace(workspace).hints == {"position": 1, "multi-head": 1}
    assert "- position: Positional addition, 1 of 3 shown" in asked.hints()
    assert read_workspace(workspace).hints == {"position": 1, "multi-head": 1}


def test_what_is_right_gets_no_hint(exercise: StoredExercise, workspace: Path) -> None:
    asked = tutor(exercise, workspace, "passed")
    asked.grade()

    assert asked.hint("masking") == "Attention masking: right already, by the last grade of these files."
    assert "- masking: Attention masking, right, 0 of 3 shown" in asked.hints()
    assert read_workspace(workspace).hints == {}


def test_changes_are_those_of_the_files_since_the_last_grade_and_of_the_last_two_grades(
    exercise: StoredExercise, workspace: Path
) -> None:
    asked = tutor(exercise, workspace, "failed", "passed")
    assert "Since the starter" in asked.changes()
    assert "Nothing: the files are the same." in asked.changes()
    asked.grade()
    with (workspace / "model.py").open("a") as file:
        file.write("# looked at\n")

    assert "+# looked at" in asked.changes()
    asked.grade()
    text = asked.changes()
    assert text.startswith("Since the last grade:\n\nNothing: the files are the same.")
    assert "model.py: 15 of 15 (+15)" in text
    assert "Attention masking" in text


def test_a_grade_that_fails_leaves_the_last_one_to_be_asked_about(exercise: StoredExercise, workspace: Path) -> None:
    asked = tutor(exercise, workspace, "failed", "cannot")
    asked.grade(["masking"])

    with pytest.raises(CannotJudge, match="no memory"):
        asked.grade()
    assert "Was seen" in asked.explain("future-is-hidden")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        pytest.param(lambda asked: asked.explain("x"), "nothing was graded yet", id="before-any-grade"),
        pytest.param(
            lambda asked: asked.hint("maskin"), "no such item: 'maskin'; .* did you mean 'masking'", id="item"
        ),
    ],
)
def test_what_cannot_be_answered_says_why(ask, message: str, exercise: StoredExercise, workspace: Path) -> None:
    with pytest.raises(UsageError, match=message):
        ask(tutor(exercise, workspace))


def test_an_unknown_check_is_told_with_what_may_be_meant(exercise: StoredExercise, workspace: Path) -> None:
    asked = tutor(exercise, workspace, "failed")
    asked.grade()

    with pytest.raises(UsageError, match=r"no such check in the last grade: 'future-is-hiden'; .*'future-is-hidden'"):
        asked.explain("future-is-hiden")


@pytest.mark.parametrize("what", ["grade", "hints", "changes"])
def test_a_workspace_that_is_gone_is_told(what: str, exercise: StoredExercise, workspace: Path) -> None:
    asked = tutor(exercise, workspace, "failed")
    workspace.rename(workspace.with_name("elsewhere"))

    with pytest.raises(UsageError, match=r"no such directory: .*mine'; expected a workspace"):
        getattr(asked, what)()
