"""A grade that gets a small share of the machine gives the verdict of one that has all of it, to the byte.

Whole grades by the command line, for it is the processes of a grade that have to share the machine with others. What
others would take is taken by stopping them, all at once: busy processes would take it from the tests beside this one.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from grader.exercise.model import Exercise

ROUND = 0.1  # seconds
SHARE = 1 / 5  # of each round in which the grade may run
TIMEOUT = 1.0  # seconds: with such a share the longest right answer takes more by the clock
STUCK = "\n\ndef _stuck(*_, **__):\n    {}\n\n\nGPT.{} = _stuck\n"
LOOP, SLEEP = "while True: pass", "import time; time.sleep(9999)"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


def processes_of(pid: int) -> list[int]:
    """A process and all that came from it: a launcher, and workers in sessions of their own."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                stat = (entry / "stat").read_text(errors="replace").rpartition(") ")[2].split()
                parents[int(entry.name)] = int(stat[1])
    found = [pid]
    for process in found:  # grows as it is read
        found += [child for child, parent in parents.items() if parent == process]
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def mostly_stopped(pid: int) -> Iterator[None]:
    """Let a process and what comes from it run for a share of the time."""
    done = threading.Event()

    def stop_and_go() -> None:
        while not done.is_set():
            stopped = processes_of(pid)
            send(stopped, signal.SIGSTOP)
            time.sleep(ROUND * (1 - SHARE))
            send(stopped, signal.SIGCONT)
            time.sleep(ROUND * SHARE)

    thread = threading.Thread(target=stop_and_go)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def graded(folder: Path, files: Mapping[str, str], only: tuple[str, ...], *, share: bool = False) -> bytes:
    """The result as it is written, but for the times in it."""
    candidate, result = folder / "candidate", folder / "result.json"
    candidate.mkdir(exist_ok=True)
    for name, text in files.items():
        (candidate / name).write_text(text)
    command = [sys.executable, "-m", "grader", "grade", str(candidate), "--only", *only]
    asked = ["--seed", "3", "--timeout", str(TIMEOUT), "--json", str(result)]
    with subprocess.Popen(
        [*command, *asked], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"COLUMNS": "80"}
    ) as process:
        if share:
            with mostly_stopped(process.pid):
                process.wait()
    return json.dumps(without_times(json.loads(result.read_bytes())), indent=1).encode()


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in ("seconds", "graded_at")}
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
def test_a_grade_with_a_small_share_of_the_machine_says_what_one_with_all_of_it_says(
    stuck: str, only: tuple[str, ...], told: bytes, exercise: Exercise, tmp_path: Path
) -> None:
    files = exercise.reference | {"model.py": exercise.reference["model.py"] + stuck}
    alone = graded(tmp_path, files, only)
    beside = graded(tmp_path, files, only, share=True)

    assert told in alone
    assert alone == beside
