"""A grade on a busy machine gives the verdict of one on a machine that has nothing else to do, to the byte.

Whole grades by the command line, for it is the processes of a grade that have to share the machine with others, and
only a process of our own can be made to give way to what the machine does beside the tests.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from grader.exercise.model import Exercise

LOAD = 20  # processes that want a core all the time
NICE = 5  # theirs and the grade's: what else is tested meanwhile is not to wait for them
TIMEOUT = 1.0  # seconds: with a tenth of a core the longest right answer takes several by the clock
STUCK = "\n\ndef _stuck(*_, **__):\n    {}\n\n\nGPT.{} = _stuck\n"
LOOP, SLEEP = "while True: pass", "import time; time.sleep(9999)"


@contextmanager
def busy_machine() -> Iterator[None]:
    loops = [subprocess.Popen(["nice", "-n", str(NICE), "sh", "-c", "while :; do :; done"]) for _ in range(LOAD)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


def graded(folder: Path, files: Mapping[str, str], only: tuple[str, ...]) -> bytes:
    """The result as it is written, but for the times in it."""
    candidate, result = folder / "candidate", folder / "result.json"
    candidate.mkdir(exist_ok=True)
    for name, text in files.items():
        (candidate / name).write_text(text)
    command = ["nice", "-n", str(NICE), sys.executable, "-m", "grader", "grade", str(candidate), "--only", *only]
    asked = ["--seed", "3", "--timeout", str(TIMEOUT), "--json", str(result)]
    subprocess.run([*command, *asked], check=False, capture_output=True, env=os.environ | {"COLUMNS": "80"})
    return json.dumps(without_times(json.loads(result.read_bytes())), indent=1).encode()


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key != "seconds"}
    return [without_times(item) for item in value] if isinstance(value, list) else value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stuck", "only", "told"),
    [
        # The only item of which a right answer takes a good part of the time: it is the one that lost points.
        pytest.param("", ("numerical-stability",), b'"score": 10.0', id="right"),
        pytest.param(STUCK.format(LOOP, "forward_incremental"), ("kv-cache",), b"no answer within 1 s", id="loops"),
        pytest.param(STUCK.format(SLEEP, "generate"), ("kv-cache",), b"no answer within 1 s", id="sleeps"),
    ],
)
def test_a_grade_beside_twenty_busy_processes_says_what_one_alone_says(
    stuck: str, only: tuple[str, ...], told: bytes, exercise: Exercise, tmp_path: Path
) -> None:
    files = exercise.reference | {"model.py": exercise.reference["model.py"] + stuck}
    quiet = graded(tmp_path, files, only)
    with busy_machine():
        busy = graded(tmp_path, files, only)

    assert told in quiet
    assert quiet == busy
