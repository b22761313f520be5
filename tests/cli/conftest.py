"""What the tests of all commands share: commands in this process, processes that are left behind, interruptions."""

import contextlib
import ctypes
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from grader.cli import main as cli
from grader.sandbox.client import Launcher

SET_CHILD_SUBREAPER = 36
INTERRUPTED = 130
HUNG = 60.0  # seconds: what is not gone by then does not go; a launcher that is only starting has yet to notice


@pytest.fixture(scope="session")
def grader(launcher: Launcher) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``grader("grade", DIR, "--seed", 7, cwd=...)``: a command line in this process, with the session's launcher.

    Exit codes that Python itself decides, signals, and what becomes of standard output are a real process's.
    """

    def start(isolation: str, hidden: object = ()) -> AbstractContextManager[Launcher]:
        if isolation == "strict":
            return contextlib.nullcontext(launcher)
        return Launcher(isolation, hidden=hidden)  # type: ignore[arg-type]

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("grader.sandbox.client.Launcher", start)
            patch.setattr("grader.cli.grade._guard_against_candidates", lambda: None)
            patch.setattr(cli, "listen", lambda: None)  # the signals are the test run's
            patch.chdir(cwd or Path.cwd())
            with (
                contextlib.redirect_stdout(streams[0]),
                contextlib.redirect_stderr(streams[1]),
                pytest.raises(SystemExit) as ended,
            ):
                cli.main([str(argument) for argument in arguments])
        out, err = (stream.buffer.getvalue().decode() for stream in streams)
        return subprocess.CompletedProcess(arguments, ended.value.code, out, err)  # type: ignore[arg-type]

    return run


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
