"""A hash changes with every byte that it speaks of, and with nothing else."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import grader
from grader.exercise.model import StoredExercise, read_exercise
from grader.files.digest import digest, grader_digest

PACKAGE = Path(grader.__file__).parent


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"a": b"1"}, id="a-part-less"),
        pytest.param({"a": b"1", "b": b"3"}, id="content"),
        pytest.param({"a": b"1", "c": b"2"}, id="name"),
        pytest.param({"a": b"2", "b": b"1"}, id="swapped"),
        pytest.param({"a": b"1b\x001\x002"}, id="run-together"),
    ],
)
def test_names_and_contents_both_count(other: dict[str, bytes]) -> None:
    assert digest({"a": b"1", "b": b"2"}) == digest({"b": b"2", "a": b"1"})
    assert digest({"a": b"1", "b": b"2"}) != digest(other)


@pytest.mark.slow
def test_the_graders_hash_is_that_of_its_code_wherever_it_lies(tmp_path: Path) -> None:
    for name in ("grader", "mutations"):
        shutil.copytree(PACKAGE.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    there = [sys.executable, "-c", "from grader.files.digest import grader_digest as d; print(d())"]

    def elsewhere() -> str:
        return subprocess.run(there, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    assert elsewhere() == grader_digest()
    with (tmp_path / "mutations" / "edit.py").open("a") as file:
        file.write("\n")
    assert elsewhere() != grader_digest()


@pytest.mark.parametrize(
    ("file", "change"),
    [
        pytest.param("reference/model.py", lambda text: text + "# more\n", id="reference"),
        pytest.param(
            "reference/exercise.toml",
            lambda text: text.replace("is-hidden = 6, gradient-is-causal = 4", "is-hidden = 5, gradient-is-causal = 5"),
            id="points",
        ),
        pytest.param(
            "reference/key.json", lambda text: text.replace('"bucket": "medium"', '"bucket": "hard"', 1), id="key"
        ),
        pytest.param("starter/test_visible.py", lambda text: text + "# more\n", id="visible-tests"),
    ],
)
def test_an_exercises_hash_covers_all_that_decides_a_verdict(
    file: str, change: Callable[[str], str], exercise: StoredExercise, tmp_path: Path
) -> None:
    shutil.copytree(exercise.reference_directory, tmp_path / "reference")
    shutil.copytree(exercise.starter_directory, tmp_path / "starter")
    assert read_exercise(tmp_path).sha256 == exercise.sha256

    path = tmp_path / file
    before = path.read_text("utf-8")
    assert change(before) != before
    path.write_text(change(before), "utf-8")
    assert read_exercise(tmp_path).sha256 != exercise.sha256
