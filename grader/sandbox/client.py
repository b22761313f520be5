"""The grader's end of the launcher: start it, get workers from it, leave none behind."""

import contextlib
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from grader.limits import CONTROL_LINE_MAX_BYTES, FORK_SECONDS, LAUNCHER_START_SECONDS
from grader.sandbox import control
from grader.sandbox.connection import Worker
from grader.sandbox.errors import LauncherFailed, NotIsolated
from grader.sandbox.outside import limit_on_files, why_it_ended
from grader.sandbox.preloaded import imports_of


class Launcher:
    """A running launcher. Use as a context manager: leaving it leaves no process behind.

    Starting is not waiting: torch is imported while the caller goes on, and the first ``spawn`` waits. The kernel ends
    the launcher with the *thread* that started it: let that be one that lasts.

    Args:
        mode: "strict" locks every worker or fails; "process" gives it a process of its own and no more.
        hidden: directories that no worker may see.

    Raises:
        LauncherFailed: from ``started`` or ``spawn``, when the launcher could not start or has stopped.
    """

    def __init__(self, mode: control.Mode, hidden: Sequence[Path] = ()) -> None:
        self._peer, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        module = [sys.executable, "-I", "-B", "-m", "grader.sandbox.launcher"]
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*module, str(theirs.fileno()), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    cwd="/",
                    env=_clean_environment(),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C is for the grader, which then ends the launcher in order
                )
        except BaseException:
            self._peer.close()
            self._log.close()
            raise
        self._started: control.Started | None = None
        self._refused: LauncherFailed | None = None  # what it said instead, for later callers too
        self._lines = bytearray()
        self._descriptors: list[int] = []
        self._broken: str | None = None  # why the two sides are out of step, for good
        self._turn = threading.RLock()  # one request and its response at a time
        self._send(control.Configure(mode=mode, hidden=tuple(str(path) for path in hidden)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def started(self) -> control.Started:
        """What the launcher said of itself when it was ready; waits for that."""
        with self._turn:
            if self._refused is not None:
                raise self._refused
            if self._started is None:
                response = self._exchange(None, LAUNCHER_START_SECONDS)
                if isinstance(response, control.Failed):
                    self._refused = (NotIsolated if response.of_the_lock else LauncherFailed)(response.message)
                    raise self._refused
                assert isinstance(response, control.Started), response
                self._started = response
            return self._started

    def spawn(
        self,
        files: Mapping[str, str],
        ahead: Sequence[str] = (),
        purpose: control.Purpose = "answers",
        adapter: str | None = None,
    ) -> Worker:
        """A fresh worker that answers for the package ``files`` (file name to source).

        Nothing of it has run yet; the modules ``ahead`` are imported as soon as the worker is locked, while the
        caller goes on. For what it needs of ours beside torch, the ``purpose`` has to be known before. A package that
        keeps no contract is called as the ``adapter`` says, the text of the exercise's adapter.py.
        """
        self.started  # noqa: B018  waits until it is
        try:
            imports = imports_of(adapter)
        except ValueError as error:
            raise LauncherFailed(str(error)) from None
        with self._turn:
            patience = LAUNCHER_START_SECONDS if imports else FORK_SECONDS  # the first time they are imported
            response = self._exchange(control.Spawn(purpose, imports), patience)
            if isinstance(response, control.Failed):
                raise LauncherFailed(response.message)
            assert isinstance(response, control.Spawned), response
            if len(self._descriptors) < 2:  # the kernel drops those that we have no room for
                self._broken = f"this process may open no more files; {limit_on_files()}"
                raise LauncherFailed(self._broken)
            connection, output = self._descriptors[:2]
            del self._descriptors[:2]
        connected = socket.socket(fileno=connection)
        return Worker(self, response.pid, connected, output, files, ahead, adapter=adapter)

    def reap(self, pid: int, kill: bool) -> int | None:
        """End worker ``pid``; its exit code, minus the signal that killed it, or None when we did."""
        response = self._exchange(control.Reap(pid, kill), FORK_SECONDS)
        assert isinstance(response, control.Reaped), response
        return response.exit

    def end(self, pid: int) -> None:
        """Kill worker ``pid`` without waiting for it to be gone."""
        with self._turn:
            self._send(control.End(pid))

    def dump(self, pid: int) -> None:
        """Have worker ``pid`` write its Python stack into its connection, if it can."""
        with self._turn:
            self._send(control.Dump(pid))

    def settle(self) -> None:
        """Wait until every worker that was ended is gone."""
        if self._started is None:
            return  # there were none
        response = self._exchange(control.Settle(), FORK_SECONDS)
        assert isinstance(response, control.Settled), response

    def close(self) -> None:
        """End the launcher and, by the kernel's hand, every worker that is left. Doing it twice does no harm."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for a response
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._peer.close()
        while self._descriptors:
            os.close(self._descriptors.pop())
        self._log.close()

    def _exchange(self, request: control.Request | None, timeout: float) -> control.Response:
        """One request and its response. Interrupted in between, the two sides are out of step for good."""
        with self._turn:
            if self._broken is not None:
                raise LauncherFailed(self._broken)
            self._broken = "the launcher was interrupted in the middle of a request"
            try:
                if request is not None:
                    self._send(request)
                response = self._receive(timeout)
            except LauncherFailed as error:
                self._broken = str(error)
                raise
            self._broken = None
            return response

    def _send(self, request: control.Request) -> None:
        with contextlib.suppress(OSError):  # the receive that follows says what happened
            self._peer.sendall(control.line(request))

    def _receive(self, timeout: float) -> control.Response:
        deadline = time.monotonic() + timeout
        while b"\n" not in self._lines:
            try:
                self._peer.settimeout(max(0.001, deadline - time.monotonic()))
                data, descriptors, _, _ = socket.recv_fds(self._peer, CONTROL_LINE_MAX_BYTES, 2)
            except TimeoutError:
                raise LauncherFailed(f"the launcher did not answer within {timeout:.0f} s{self._logged()}") from None
            except OSError as error:
                raise LauncherFailed(f"the launcher hung up ({error}){self._why()}") from None
            if not data:
                raise LauncherFailed(f"the launcher stopped{self._why()}")
            self._lines += data
            self._descriptors += descriptors
        line, _, rest = self._lines.partition(b"\n")
        self._lines = bytearray(rest)
        return control.response_decoder.decode(line)

    def _why(self) -> str:
        """Why it has stopped, or else its last words."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = self._logged()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # with the launcher's, now that it has been waited for
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        why = why_it_ended(self._process.returncode, [words], used)
        return f": {why}" if why else words

    def _logged(self) -> str:
        if self._log.closed:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)  # it is stopping: let it finish its last words
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        # The last line is what went wrong; what stands above it in a traceback is where, for us alone.
        return f"; it said: {lines[-1][:2000]}" if lines else ""


def _clean_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return kept | one_thread | {"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
