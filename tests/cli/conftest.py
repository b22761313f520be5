"""What the tests of all commands share: a look at the processes that a command leaves behind, and interruptions."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SET_CHILD_SUBREAPER = 36
INTERRUPTED = 130
HUNG = 60.0  # seconds: what is not gone by then does not go; a launcher that is only starting has yet to notice


@pytest.fixture
def children() -> Iterator[Callable[[], list[int]]]:
    """``children() -> pids``: the living children of this process, those too that have lost their parent meanwhile."""
    prctl = ctypes.CDLL(None).prctl
    prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def found() -> list[int]:
        pids = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if int(fields[1]) == os.getpid() and fields[0] != "Z":
                    pids.append(int(entry.name))
        return pids

    yield found
    prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def interrupt(children: Callable[[], list[int]], tmp_path: Path) -> Callable[..., None]:
    """``interrupt("inject", "-o", "ex", moment="subset 2", number=SIGINT)``: run a command in an empty folder, send
    a signal when it says that it is at some moment, and hold that it ends in order and leaves nothing behind."""

    def run(*arguments: object, moment: str, number: signal.Signals) -> None:
        others = children()
        process = subprocess.Popen(
            [sys.executable, "-m", "grader", *map(str, arguments)],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A test run that was started in the background ignores SIGINT, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        try:
            assert process.stderr is not None
            assert any(moment in line for line in process.stderr)
            process.send_signal(number)
            out, told = process.communicate(timeout=HUNG)
        finally:
            process.kill()
            process.wait()
        deadline = time.monotonic() + HUNG
        while (left := [pid for pid in children() if pid not in others]) and time.monotonic() < deadline:
            time.sleep(0.02)

        assert process.returncode == INTERRUPTED
        assert out == ""
        assert "interrupted; nothing was written" in told
        assert re.search("Traceback|Error|Exception", told) is None
        assert left == []
        assert os.listdir(tmp_path) == []

    return run
