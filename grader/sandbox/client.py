"""The grader's side: start the launcher, get workers from it, put questions to them under a deadline."""

import contextlib
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from grader.sandbox import control
from grader.sandbox.errors import (
    LauncherFailed,
    NotIsolated,
    WorkerDied,
    WorkerFailed,
    WorkerGarbled,
    WorkerTimedOut,
)
from grader.sandbox.questions import AnyQuestion, Load, Reply, reply_decoder
from grader.sandbox.wire import (
    PREFIX,
    Array,
    Tensors,
    WireError,
    pack,
    unpack_header,
    unpack_prefix,
    unpack_tensors,
)

START_TIMEOUT: Final = 120.0  # seconds for the launcher to import torch on a slow, cold machine
FORK_TIMEOUT: Final = 30.0  # seconds for a worker to lock itself
MAX_OUTPUT: Final = 8 * 1024  # bytes of a worker's output that are ever read


class Launcher:
    """A running launcher. Use as a context manager: leaving it leaves no process behind.

    Starting is not waiting: torch is imported while the caller goes on, and the first ``spawn`` waits.

    Args:
        mode: "strict" locks every worker or fails; "process" gives it a process of its own and no more.
        hidden: directories that no worker may see.

    Raises:
        LauncherFailed: from ``started`` or ``spawn``, when the launcher could not start or has stopped.
    """

    def __init__(self, mode: control.Mode, hidden: Sequence[Path] = ()) -> None:
        self._peer, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "grader.sandbox.launcher", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                cwd="/",
                env=_clean_environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the grader, which then ends the launcher in order
            )
        self._started: control.Started | None = None
        self._lines = bytearray()
        self._descriptors: list[int] = []
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
            if self._started is None:
                response = self._receive(START_TIMEOUT)
                if isinstance(response, control.Failed):
                    raise NotIsolated(response.message)
                assert isinstance(response, control.Started), response
                self._started = response
            return self._started

    def spawn(self, files: Mapping[str, str]) -> "Worker":
        """A fresh worker that answers for the package ``files`` (file name to source). Nothing of it has run yet."""
        self.started  # noqa: B018  waits until it is
        with self._turn:
            self._send(control.Spawn())
            response = self._receive(FORK_TIMEOUT)
            assert isinstance(response, control.Spawned), response
            connection, output = self._descriptors[:2]
            del self._descriptors[:2]
        return Worker(self, response.pid, socket.socket(fileno=connection), output, files)

    def reap(self, pid: int, *, kill: bool) -> int | None:
        """End worker ``pid``; its exit code, minus the signal that killed it, or None when we did."""
        with self._turn:
            self._send(control.Reap(pid, kill))
            response = self._receive(FORK_TIMEOUT)
        assert isinstance(response, control.Reaped), response
        return response.exit

    def close(self) -> None:
        """End the launcher and, by the kernel's hand, every worker that is left. Doing it twice does no harm."""
        self._peer.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        while self._descriptors:
            os.close(self._descriptors.pop())
        self._log.close()

    def _send(self, request: control.Request) -> None:
        with contextlib.suppress(OSError):  # the receive that follows says what happened
            self._peer.sendall(control.line(request))

    def _receive(self, timeout: float) -> control.Response:
        deadline = time.monotonic() + timeout
        while b"\n" not in self._lines:
            try:
                self._peer.settimeout(max(0.001, deadline - time.monotonic()))
                data, descriptors, _, _ = socket.recv_fds(self._peer, control.MAX_LINE, 2)
            except TimeoutError:
                raise LauncherFailed(f"the launcher did not answer within {timeout:.0f} s{self._logged()}") from None
            except OSError as error:
                raise LauncherFailed(f"the launcher hung up ({error}){self._logged()}") from None
            if not data:
                raise LauncherFailed(f"the launcher stopped{self._logged()}")
            self._lines += data
            self._descriptors += descriptors
        line, _, rest = self._lines.partition(b"\n")
        self._lines = bytearray(rest)
        return control.response_decoder.decode(line)

    def _logged(self) -> str:
        if self._log.closed:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)  # it is stopping: let it finish its last words
        self._log.seek(0)
        text = self._log.read().decode("utf-8", "replace").strip()
        return f"; it said: {text[-2000:]}" if text else ""


def _clean_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return kept | one_thread | {"PATH": os.defpath, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


class Worker:
    """One worker process. It answers questions for one package until it is closed or fails.

    After a ``WorkerFailed`` it is gone; ask for a fresh one.
    """

    def __init__(
        self, launcher: Launcher, pid: int, connection: socket.socket, output: int, files: Mapping[str, str]
    ) -> None:
        self._launcher = launcher
        self._pid = pid
        self._connection = connection
        self._output = output
        self._files = dict(files)
        self._pending: deque[tuple[str, float]] = deque()  # nonce and deadline of each question under way
        self._locked: control.Locked | None = None
        self._closed = False
        self.last_output = ""  # what it had printed when it failed
        connection.setblocking(False)

    @property
    def locked(self) -> control.Locked:
        """What the worker is locked by; waits until it is. It said so before it had seen any code."""
        if self._locked is None:
            deadline = time.monotonic() + FORK_TIMEOUT
            try:
                _, body, _ = self._read(deadline)
            except WorkerFailed as error:
                raise LauncherFailed(f"a worker could not be locked: {error}") from None
            locked = msgspec.json.decode(body, type=control.Locked)
            if locked.failure is not None:
                raise NotIsolated(locked.failure)
            self._locked = locked
            self._post(Load(files=self._files), {}, FORK_TIMEOUT)
            self._collect()
        return self._locked

    def send(self, question: AnyQuestion, tensors: Tensors, timeout: float) -> None:
        """Put a question without waiting; ``receive`` gets the reply. The clock starts here."""
        self.locked  # noqa: B018  waits until it is
        self._post(question, tensors, timeout)

    def receive(self) -> tuple[Reply, dict[str, Array]]:
        """The reply to the oldest question under way.

        Raises:
            WorkerDied, WorkerTimedOut, WorkerGarbled: the worker is gone.
        """
        return self._collect()

    def output(self) -> str:
        """What the package has printed so far, cut to a few kilobytes."""
        data = os.pread(self._output, MAX_OUTPUT, 0)
        return data.decode("utf-8", "replace")

    def close(self) -> None:
        """End the worker. Where the launcher is gone, so is the worker."""
        if not self._closed:
            with contextlib.suppress(LauncherFailed):
                self._dispose(kill=True)

    def _dispose(self, *, kill: bool) -> int | None:
        self._closed = True
        self._connection.close()
        try:
            return self._launcher.reap(self._pid, kill=kill)
        finally:
            os.close(self._output)

    def _post(self, body: AnyQuestion | Load, tensors: Tensors, timeout: float) -> None:
        if not self._pending and self._ready(select.POLLIN, 0):
            # Written before it was asked: an answer forged in advance, or the end of the stream.
            raise self._failed(WorkerGarbled("it wrote something before it was asked"))
        nonce = secrets.token_hex(8)
        deadline = time.monotonic() + timeout
        self._pending.append((nonce, deadline))
        view = memoryview(pack(nonce, body, tensors))
        while view:
            if not self._ready(select.POLLOUT, deadline - time.monotonic()):
                raise self._failed(WorkerTimedOut(f"it took no question for {timeout:g} s"))
            try:
                view = view[self._connection.send(view) :]
            except OSError:
                raise self._failed(WorkerDied("it hung up")) from None

    def _collect(self) -> tuple[Reply, dict[str, Array]]:
        nonce, deadline = self._pending.popleft()
        try:
            answered, body, tensors = self._read(deadline)
            if answered != nonce:
                raise WireError("the reply does not carry the question's nonce")
            return reply_decoder.decode(body), tensors
        except (WireError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._failed(WorkerGarbled(str(error))) from None
        except WorkerFailed as error:
            raise self._failed(error) from None

    def _failed(self, error: WorkerFailed) -> WorkerFailed:
        """End the worker; the error, and for a death how it died."""
        if self._closed:
            return error
        self.last_output = self.output()
        code = self._dispose(kill=not isinstance(error, WorkerDied))
        if isinstance(error, WorkerDied):
            return WorkerDied(_describe_exit(code))
        return error

    def _ready(self, event: int, timeout: float) -> bool:
        """Whether the connection can be read or written (or has been closed) within ``timeout`` seconds."""
        poll = select.poll()
        poll.register(self._connection, event)
        return bool(poll.poll(max(0.0, timeout) * 1000))

    def _read(self, deadline: float) -> tuple[str, bytes, dict[str, Array]]:
        header_length, payload_length = unpack_prefix(self._read_exactly(PREFIX.size, deadline))
        header = unpack_header(self._read_exactly(header_length, deadline))
        payload = self._read_exactly(payload_length, deadline)
        return header.nonce, bytes(header.body), unpack_tensors(header.tensors, payload)

    def _read_exactly(self, length: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < length:
            if not self._ready(select.POLLIN, deadline - time.monotonic()):
                raise WorkerTimedOut("it gave no answer in time")
            try:
                chunk = self._connection.recv(length - len(data))
            except BlockingIOError:
                continue
            except OSError:
                chunk = b""
            if not chunk:
                raise WorkerDied("it hung up")
            data += chunk
        return bytes(data)


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "it hung up on the grader"
    if code >= 0:
        return f"its process exited with code {code}"
    try:
        return f"its process was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"its process was killed by signal {-code}"
