"""What is left of a command that is interrupted, killed, or whose reader has gone."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation and /proc are Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
STARTER, REFERENCE = ROOT / "candidate", ROOT / "reference"
MODULE = (sys.executable, "-m", "grader")
INTERRUPTED = 130
READER_GONE = 141
HUNG = 60.0  # seconds: what has not come by then does not come
IN_A_COLLECTION = """
import gc, os, signal
from grader.cli import doctor, main

def interrupt(phase, info):
    gc.callbacks.remove(interrupt)
    os.kill(os.getpid(), signal.{signal})
    len(())  # handlers run between two instructions

def run(_):
    gc.callbacks.append(interrupt)
    gc.collect()
    signal.pause()
    return 0

doctor.run = run
main.main(["doctor"])
"""


WHILE_IMPORTING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.{signal})

sys.meta_path.insert(0, Interrupting())
from grader.cli import begin
begin()
"""


@dataclass(kw_only=True)
class Started:
    """A grade under way, whose output files an earlier one has written."""

    process: subprocess.Popen[str]
    where: Path
    children: Callable[[], list[int]]
    others: list[int]

    def left(self) -> list[int]:
        """Processes of it that are there."""
        return [pid for pid in self.children() if pid not in self.others]

    def assert_nothing_left(self) -> None:
        """What it started goes; a launcher that is only starting has yet to notice."""
        deadline = time.monotonic() + HUNG
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.02)

        assert self.left() == []

    def assert_files_untouched(self) -> None:
        assert sorted(os.listdir(self.where)) == ["report.html", "result.json"]
        for path in self.where.iterdir():
            assert path.read_text() == "of an earlier grade"


@pytest.fixture
def started(tmp_path: Path, children: Callable[[], list[int]]) -> Iterator[Started]:
    for name in ("report.html", "result.json"):
        (tmp_path / name).write_text("of an earlier grade")
    others = children()
    process = subprocess.Popen(
        [*MODULE, "grade", REFERENCE, "--thorough",
         "--json", tmp_path / "result.json", "--html", tmp_path / "report.html"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A test run that was started in the background ignores SIGINT, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    yield Started(process=process, where=tmp_path, children=children, others=others)
    process.kill()
    process.communicate()


def wait_for_progress(process: subprocess.Popen[str], lines: int) -> None:
    assert process.stderr is not None
    for _ in range(lines):
        assert process.stderr.readline()


def wait_for_launcher(started: Started) -> None:
    """Until the grade has a process of its own, which begins to import torch."""
    deadline = time.monotonic() + HUNG
    children = Path(f"/proc/{started.process.pid}/task/{started.process.pid}/children")
    while not children.read_text():
        assert time.monotonic() < deadline, "no launcher is started"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("moment", ["launching", "matching", "asking"])
def test_an_interruption_leaves_no_process_and_no_file(moment: str, number: signal.Signals, started: Started) -> None:
    if moment == "launching":
        wait_for_launcher(started)
    else:
        wait_for_progress(started.process, 1 if moment == "matching" else 3)
    started.process.send_signal(number)
    out, told = started.process.communicate(timeout=HUNG)

    assert started.process.returncode == INTERRUPTED
    assert out == ""
    assert "interrupted; nothing was written" in told
    assert re.search("Traceback|Error|Exception", told) is None
    started.assert_nothing_left()
    started.assert_files_untouched()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interruption_that_comes_at_once_leaves_no_process_and_no_file_either(
    number: signal.Signals, started: Started
) -> None:
    """Python may not have come to our first line yet, and then ends as with any program."""
    started.process.send_signal(number)
    out, _ = started.process.communicate(timeout=HUNG)

    assert started.process.returncode != 0
    assert out == ""
    started.assert_nothing_left()
    started.assert_files_untouched()


def test_when_the_grader_is_killed_its_processes_go_with_it(started: Started) -> None:
    wait_for_progress(started.process, 3)
    assert len(started.left()) == 1

    started.process.kill()
    started.process.wait()

    started.assert_nothing_left()
    started.assert_files_untouched()


@pytest.mark.parametrize("arguments", [(), ("--json", "-")], ids=["text", "json"])
def test_a_reader_that_leaves_early_is_no_error_of_ours(arguments: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [*MODULE, "grade", STARTER, "--only", "projection", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    _, told = process.communicate(timeout=60)

    assert process.returncode == READER_GONE
    assert re.search("Traceback|Error|Exception", told) is None


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interruption_that_falls_into_a_garbage_collection_is_not_lost(number: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_COLLECTION.format(signal=number)], capture_output=True, text=True, timeout=30
    )

    assert done.returncode == INTERRUPTED
    assert done.stderr == "\ngrader: interrupted; nothing was written\n"


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("module", ["grader.cli.main", "argparse", "grader.limits", "grader.cli.watch"])
def test_an_interruption_while_the_command_imports_its_parts_is_answered_as_any_other(module: str, number: str) -> None:
    code = WHILE_IMPORTING.format(module=module, signal=number)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HUNG)

    assert done.returncode == INTERRUPTED
    assert done.stderr == "\ngrader: interrupted; nothing was written\n"


def test_a_list_of_which_only_the_beginning_is_read_ends_quietly() -> None:
    process = subprocess.Popen(
        [*MODULE, "mutations"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=0
    )
    assert process.stdout is not None
    process.stdout.close()
    _, told = process.communicate(timeout=HUNG)

    assert (process.returncode, told) == (READER_GONE, "")
