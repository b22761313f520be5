"""A machine that fails ends a command with exit code 3, its reason and nothing else."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and strict isolation are Linux's"),
]

REFERENCE = Path(__file__).resolve().parents[2] / "reference"
GRADE = ("grade", REFERENCE, "--only", "projection")
NOT_JUDGED = 3


def grader(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    plain = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 120}
    return subprocess.run(command, **(plain | options))


def at_most(limit: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(limit, (value, value))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--json", "/dev/full"], "cannot write '/dev/full': No space left on device", id="full-json"),
        pytest.param(["--html", "/dev/full"], "cannot write '/dev/full': No space left on device", id="full-html"),
        pytest.param(["--json", "/proc/x"], "cannot write '/proc/x'", id="read-only"),
    ],
)
def test_a_result_that_cannot_be_written_is_no_score(arguments: list[str], words: str) -> None:
    done = grader(*GRADE, *arguments)

    assert (done.returncode, done.stdout) == (NOT_JUDGED, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_is_full_after_the_grade_leaves_the_file_of_before(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("of an earlier grade")
    done = grader(*GRADE, "--json", path, preexec_fn=at_most(resource.RLIMIT_FSIZE, 100))

    assert (done.returncode, done.stdout) == (NOT_JUDGED, "")
    assert f"cannot write '{path}': File too large" in done.stderr
    assert path.read_text() == "of an earlier grade"
    assert os.listdir(tmp_path) == ["result.json"]


@pytest.mark.parametrize("arguments", [GRADE, (*GRADE, "--json", "-"), ("doctor",)], ids=["text", "json", "doctor"])
def test_output_that_nobody_can_take_is_told(arguments: tuple[object, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = grader(*arguments, stdout=full)

    assert done.returncode == NOT_JUDGED
    assert done.stderr.endswith("grader: nothing could be judged: [Errno 28] No space left on device\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("files", [6, 9, 12])
def test_too_few_descriptors_are_told(files: int) -> None:
    done = grader(*GRADE, preexec_fn=at_most(resource.RLIMIT_NOFILE, files))

    assert (done.returncode, done.stdout) == (NOT_JUDGED, "")
    assert "nothing could be judged" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("megabytes", [150, 300])
def test_too_little_memory_is_told(megabytes: int) -> None:
    done = grader(*GRADE, preexec_fn=at_most(resource.RLIMIT_AS, megabytes << 20))

    assert (done.returncode, done.stdout) == (NOT_JUDGED, "")
    assert "nothing could be judged" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_grade_needs_no_temporary_folder() -> None:
    done = grader(*GRADE, env=os.environ | {"TMPDIR": "/nonexistent"})

    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "Score: 15 of 15")
