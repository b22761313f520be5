"""A watched directory is graded again when its sources change, and only then."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from grader.exercise.model import Exercise, StoredExercise
from grader.grading.options import Options
from grader.grading.session import Session
from grader.learner.watch import Graded, Overtaken, Watcher
from grader.packages.worker_pool import WorkerPool
from grader.report.side_by_side import render_change
from grader.report.terminal import width
from grader.result.record import Result, Status
from grader.sandbox.client import Launcher

pytestmark = pytest.mark.slow

ITEMS = ("projection", "training-step")


@pytest.fixture
def directory(exercise: StoredExercise, tmp_path: Path) -> Path:
    """The starter's sources."""
    for name in ("model.py", "train.py", "test_visible.py"):
        shutil.copyfile(exercise.starter_directory / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def told() -> list[str]:
    """What the watcher had to say while it waited."""
    return []


@pytest.fixture
def grades(directory: Path, exercise: Exercise, launcher: Launcher, told: list[str]) -> Iterator[Iterator[Graded]]:
    """The grades of ``directory`` as they come, of two items."""
    with Session(exercise, launcher) as session:
        watcher = Watcher(directory, session, Options(only=ITEMS, seed=1))
        yield (event for event in watcher.grades(lambda _: None, told.append) if isinstance(event, Graded))


def later(seconds: float, act: Callable[[], object]) -> None:
    threading.Timer(seconds, act).start()


def test_a_saved_file_is_graded_and_the_change_is_told(
    grades: Iterator[Graded], directory: Path, exercise: StoredExercise
) -> None:
    first = next(grades)
    assert (first.result.score, first.before, first.changed) == (0, None, ("model.py", "train.py"))

    (directory / "train.py").write_text(exercise.reference["train.py"])
    second = next(grades)
    assert second.changed == ("train.py",)
    assert second.before == first.result
    assert [item.status for item in second.result.items] == [Status.NOT_FIXED, Status.FIXED]
    assert render_change(second.changed, first.result, second.result).splitlines() == [
        "train.py: 15 of 30 (+15)",
        "  ✓ Training step                            Fixed           15 of 15 (+15)",
        "    6 more checks pass",
    ]

    (directory / "train.py").write_text((exercise.starter_directory / "train.py").read_text())
    third = next(grades)
    assert render_change(third.changed, second.result, third.result).splitlines()[:3] == [
        "train.py: 0 of 30 (-15)",
        "  ✗ Training step                            Not fixed       0 of 15 (-15)",
        "    6 that passed do no longer",
    ]


def test_a_change_that_changes_nothing_is_told(grades: Iterator[Graded], directory: Path) -> None:
    first = next(grades)
    with (directory / "model.py").open("a") as file:
        file.write("# a comment\n")
    second = next(grades)

    assert second.changed == ("model.py",)
    assert render_change(second.changed, first.result, second.result) == (
        "model.py: 0 of 30\n  Nothing changed in the verdict.\n"
    )


def test_a_file_that_goes_away_while_it_is_saved_is_waited_for(
    grades: Iterator[Graded], directory: Path, exercise: Exercise, told: list[str]
) -> None:
    next(grades)
    (directory / "model.py").unlink()
    (directory / "test_visible.py").unlink()  # no source of the package
    later(3.0, lambda: (directory / "model.py").write_text(exercise.reference["model.py"]))
    graded = next(grades)

    assert graded.changed == ("model.py",)
    assert [item.status for item in graded.result.items] == [Status.FIXED, Status.NOT_FIXED]
    assert len(told) == 1
    assert "no model.py in" in told[0]


def test_code_that_does_not_import_is_told_in_its_own_words(grades: Iterator[Graded], directory: Path) -> None:
    first = next(grades)
    (directory / "model.py").write_text("import torch\n\ndef broken(:\n    pass\n")
    second = next(grades)
    text = render_change(second.changed, first.result, second.result)

    assert text.splitlines()[1].startswith("  Does not run: model.py, line 3: SyntaxError: invalid syntax")
    assert "      def broken(:\n" in text
    assert max(map(width, text.splitlines())) <= 80

    (directory / "model.py").write_text("import torch\n1 +\n")
    third = next(grades)
    lines = render_change(third.changed, second.result, third.result).splitlines()
    assert lines[1].startswith("  Does not run: model.py, line 2: SyntaxError: invalid syntax")
    assert lines[-1] == "  Nothing changed in the verdict."


def test_a_report_is_given_up_for_what_is_saved_meanwhile(
    directory: Path, exercise: Exercise, launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, stopped = WorkerPool.stop, threading.Event()

    def seen(worker_pool: WorkerPool) -> None:
        stop(worker_pool)
        stopped.set()

    def save_and_wait(_: str) -> None:
        (directory / "train.py").write_text(exercise.reference["train.py"])
        assert stopped.wait(100)

    with Session(exercise, launcher) as session:
        watcher = Watcher(directory, session, Options(only=ITEMS, seed=1))
        events = watcher.grades(lambda _: None, lambda _: None)
        first = next(events)
        assert isinstance(first, Graded)
        monkeypatch.setattr(WorkerPool, "stop", seen)
        assert watcher.explain(first.submission, save_and_wait) is None

        assert next(events) == Overtaken(changed=("train.py",))
        second = next(events)
        assert isinstance(second, Graded)
        assert (second.changed, second.before) == (("train.py",), first.result)
        assert [item.status for item in second.result.items] == [Status.NOT_FIXED, Status.FIXED]


class SavedOver:
    """A session that is overtaken in its first grade, right before there is a first look."""

    def __init__(self, save: Callable[[], object], result: Result) -> None:
        self._save = save
        self._result = result
        self._grades = 0

    def grade(self, *_: object, cancel: threading.Event, first_look: Callable[[Result], None], **__: object) -> Result:
        self._grades += 1
        if self._grades == 1:
            self._save()
            assert cancel.wait(100)
        first_look(self._result)
        return self._result


class Told(threading.Event):
    """Notes that a grade is to be given up."""

    def __call__(self) -> None:
        self.set()


def test_a_first_look_at_files_that_are_gone_is_not_given(
    directory: Path, exercise: Exercise, monkeypatch: pytest.MonkeyPatch, samples: ModuleType
) -> None:
    looks: list[str] = []
    monkeypatch.setattr("grader.learner.watch.Cancel", Told)
    new = exercise.reference["train.py"]
    session: Any = SavedOver(lambda: (directory / "train.py").write_text(new), samples.starter())
    watcher = Watcher(directory, session, Options(seed=1))
    events = watcher.grades(
        lambda _: None, lambda _: None, lambda submission, _: looks.append(submission.files["train.py"])
    )

    assert next(events) == Overtaken(changed=("train.py",))
    assert isinstance(next(events), Graded)
    assert looks == [new]


def test_the_questions_stay_the_same_so_that_the_reference_answers_once(
    grades: Iterator[Graded], directory: Path, monkeypatch: pytest.MonkeyPatch, exercise: Exercise
) -> None:
    from grader.sandbox.connection import Worker

    asked: list[bool] = []
    send = Worker.send

    def counted(worker: Worker, *question: object) -> None:
        asked.append(worker._load.files == exercise.reference)
        send(worker, *question)  # type: ignore[arg-type]

    monkeypatch.setattr(Worker, "send", counted)
    next(grades)
    first = sum(asked)
    asked.clear()
    with (directory / "train.py").open("a") as file:
        file.write("# a comment\n")
    next(grades)

    assert first > 10
    assert sum(asked) == 0
    assert len(asked) > 10
