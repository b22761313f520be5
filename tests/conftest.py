"""What all tests share: one launcher for the session, and a function that grades a package with it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from grader.exercise import Exercise, builtin_exercise
from grader.grade import Options, grade
from grader.record import Result
from grader.sandbox.client import Launcher
from grader.submission import Submission, submission_of

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def exercise() -> Exercise:
    """The built-in exercise."""
    return builtin_exercise()


@pytest.fixture(scope="session")
def launcher(exercise: Exercise) -> Iterator[Launcher]:
    """One strict launcher: torch is imported once for all tests of a session."""
    with Launcher("strict", hidden=[exercise.reference_directory]) as launcher:
        yield launcher


@pytest.fixture(scope="session")
def grade_files(launcher: Launcher, exercise: Exercise) -> Callable[..., Result]:
    """``grade_files({"model.py": ..., "train.py": ...}, seed=1, only=("masking",), ...) -> Result``."""

    def run(files: Mapping[str, str], *, name: str = "candidate", **options: object) -> Result:
        submission: Submission = submission_of(name, files)
        chosen = Options(**{"seed": 1} | options)  # type: ignore[arg-type]
        return grade(submission, exercise, chosen, launcher, lambda _: None)

    return run
