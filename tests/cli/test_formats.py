"""Results for other systems, as a user asks for them: with a grade, or from a result that was stored."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

import pytest

from grader.report.formats import FORMATS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
ALL = ("json", "html", *FORMATS)

Grader = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def graded(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter's grade in every format, each in a file of its name."""
    folder = tmp_path_factory.mktemp("graded")
    options = [word for name in ALL for word in (f"--{name}", name)]
    done = grader("grade", ROOT / "candidate", *options, "--only", "masking", "kv-cache", cwd=folder)

    assert done.returncode == 1, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("Written: ")] == [
        f"Written: {name}" for name in sorted(ALL, key=("html json markdown junit gradescope classroom check50").find)
    ]
    return folder


def test_every_format_is_written_as_a_whole_and_is_valid(graded: Path, published: ModuleType) -> None:
    found = {name: published.problems(name, (graded / name).read_bytes()) for name in FORMATS if name != "markdown"}

    assert sorted(os.listdir(graded)) == sorted(ALL)
    assert found == {name: [] for name in FORMATS if name != "markdown"}
    assert (graded / "markdown").read_text("utf-8").startswith("## A GPT with four bugs")


@pytest.mark.parametrize("name", ALL)
def test_a_stored_result_gives_the_same_file_again(grader: Grader, name: str, graded: Path) -> None:
    done = grader("report", "json", "--format", name, "-o", "-", cwd=graded)

    assert (done.returncode, done.stderr) == (0, "")
    assert (graded / name).read_text("utf-8") == done.stdout


@pytest.mark.parametrize("name", ["markdown", "junit"])
def test_a_learners_file_from_an_instructors_result_has_no_seed(grader: Grader, name: str, graded: Path) -> None:
    seed = str(json.loads((graded / "json").read_bytes())["environment"]["seed"])
    done = grader("report", "json", "--format", name, "-o", "-", "--audience", "learner", cwd=graded)

    assert seed in (graded / name).read_text("utf-8")
    assert seed not in done.stdout
    assert "nstructor" not in done.stdout


def test_a_summary_on_standard_output_is_all_there_is_on_it(grader: Grader, tmp_path: Path) -> None:
    done = grader("grade", ROOT / "candidate", "--markdown", "-", "--junit", "j", "--only", "projection", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stdout.startswith("## A GPT with four bugs")
    assert "Written" not in done.stdout
    assert os.listdir(tmp_path) == ["j"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--junit", "x", "--markdown", "./x"], ["--markdown and --junit both name", "one would overwrite the other"]),
        (["--json", "-", "--check50", "-"], ["--json and --check50 both go to standard output"]),
        (["--gradescope", "absent/x"], ["there is no directory 'absent'"]),
    ],
    ids=["one-file", "one-output", "no-directory"],
)
def test_files_that_cannot_be_had_are_told_before_the_grade(
    grader: Grader, arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    done = grader("grade", ROOT / "candidate", *arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert [word for word in words if word not in done.stderr] == []
    assert os.listdir(tmp_path) == []


def test_an_unknown_format_is_told_with_those_there_are(grader: Grader, graded: Path) -> None:
    done = grader("report", "json", "--format", "pdf", "-o", "x", cwd=graded)

    assert done.returncode == 2
    assert [name for name in ALL if name not in done.stderr] == []
