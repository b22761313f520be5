"""What an exercise's folder holds is what its key says, and nothing else that a learner could read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.exercise.model import StoredExercise, read_exercise
from grader.injection.verify import texts

Spoil = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path, exercise: StoredExercise) -> Path:
    """A copy of the built-in exercise, in the layout of a generated one."""
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    for source, name in ((exercise.reference_directory, "reference"), (exercise.starter_directory, "starter")):
        shutil.copytree(source, tmp_path / name, ignore=ignored)
    return tmp_path


def without(name: str) -> Spoil:
    return lambda folder: (folder / name).unlink()


def remark_in(*names: str) -> Spoil:
    return lambda folder: [path.write_text(path.read_text() + "\n# a remark\n") for path in map(folder.joinpath, names)]


def without_hash(folder: Path) -> None:
    path = folder / "reference" / "key.json"
    key = json.loads(path.read_text())
    del key["hashes"]["train.py"]
    path.write_text(json.dumps(key))


def test_a_folder_as_it_was_written_is_right(folder: Path) -> None:
    assert texts(read_exercise(folder)).wrong == ""


def test_what_running_the_visible_tests_leaves_behind_is_nothing_wrong(folder: Path) -> None:
    for name in ("__pycache__", ".pytest_cache"):
        (folder / "starter" / name).mkdir()

    assert texts(read_exercise(folder)).wrong == ""


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        pytest.param(remark_in("starter/model.py"), "model.py of the starter differs", id="model"),
        pytest.param(remark_in("starter/train.py"), "train.py of the starter differs", id="train"),
        pytest.param(without("starter/model.py"), "the starter has no model.py", id="no-model"),
        pytest.param(without("starter/README.md"), "the starter has no README.md", id="no-readme"),
        pytest.param(without("starter/test_visible.py"), "the starter has no test_visible.py", id="no-tests"),
        pytest.param(lambda folder: shutil.rmtree(folder / "starter"), "the starter has no followups.py",
                     id="no-starter"),
        pytest.param(lambda folder: (folder / "starter" / "solution.py").touch(), "the starter has solution.py too",
                     id="a-file-more"),
        pytest.param(lambda folder: (folder / "starter" / ".git").mkdir(), "the starter has .git too", id="history"),
        pytest.param(remark_in("starter/model.py", "reference/model.py"),
                     "model.py of the reference is not what the edits were made for", id="reference"),
        pytest.param(lambda folder: (folder / "reference" / "more.py").touch(),
                     "more.py of the reference is not what the edits were made for", id="reference-has-more"),
        pytest.param(without_hash, "train.py of the reference is not what the edits were made for", id="no-hash"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_was_written_is_found(spoil: Spoil, wrong: str, folder: Path) -> None:
    spoil(folder)

    assert texts(read_exercise(folder)).wrong == wrong
