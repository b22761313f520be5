"""The grader's end of one worker: questions go out under a deadline, and nothing that comes back is trusted."""

import os
import secrets
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from grader.limits import LOCK_SECONDS, OUTPUT_READ_MAX_BYTES, STACK_MAX_BYTES, STACK_PAUSE_SECONDS, STACK_SECONDS
from grader.sandbox import control
from grader.sandbox.deadline import Deadline, ProcessClock, clock_of
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

MAX_COMPLAINT: Final = 500  # characters of what is said of a garbled frame, which may quote it
CHUNK: Final = 256 * 1024  # bytes made room for at a time: a frame costs memory as it comes, not as it is announced


class Parent(Protocol):
    """Who made a worker and can end it."""

    def reap(self, pid: int, kill: bool) -> int | None:
        """The exit code, minus the signal that killed it, or None when we did."""

    def end(self, pid: int) -> None:
        """Kill it without waiting."""

    def dump(self, pid: int) -> None:
        """Have it write its Python stack into its connection, without waiting."""


class Worker:
    """One worker process. It answers questions for one package until it is closed or fails.

    After a ``WorkerFailed`` it is gone; ask for a fresh one.

    Attributes:
        last_output: what it had printed when it failed.
        spent: seconds of its own that the last reply, or the lack of one, has taken.

    Args:
        clock: what is known of its time; by default what the kernel tells.
        adapter: the exercise's adapter.py, for a package that keeps no contract.
    """

    def __init__(
        self,
        parent: Parent,
        pid: int,
        connection: socket.socket,
        output: int,
        files: Mapping[str, str],
        ahead: Sequence[str] = (),
        clock: ProcessClock | None = None,
        adapter: str | None = None,
    ) -> None:
        self._parent = parent
        self._pid = pid
        self._connection = connection
        self._output = output
        self._load = Load(files=dict(files), ahead=tuple(ahead), adapter=adapter)
        self._clock = clock or clock_of(pid)
        self._pending: deque[tuple[str, Deadline]] = deque()  # nonce and deadline of each question under way
        self._locked: control.Locked | None = None
        self._closed = False
        self.last_output = ""
        self.spent = 0.0
        connection.setblocking(False)

    @property
    def locked(self) -> control.Locked:
        """What the worker is locked by; waits until it is. It said so before it had seen any code."""
        if self._locked is None:
            try:
                _, body, _ = self._read(Deadline(LOCK_SECONDS, self._clock))
                locked = msgspec.json.decode(body, type=control.Locked)
            except (WorkerFailed, WireError, msgspec.DecodeError) as error:
                raise LauncherFailed(f"a worker could not be locked: {error}") from None
            if locked.failure is not None:
                raise (NotIsolated if locked.of_the_lock else LauncherFailed)(locked.failure)
            self._locked = locked
            self._post(self._load, {}, LOCK_SECONDS)
            self._collect()
        return self._locked

    def send(self, question: AnyQuestion, tensors: Tensors, timeout: float) -> None:
        """Put a question without waiting; ``receive`` gets the reply.

        Args:
            timeout: seconds of its own, computing or asleep, that the worker gets for it from here on.
        """
        self.locked  # noqa: B018  waits until it is
        self._post(question, tensors, timeout)

    def receive(self) -> tuple[Reply, dict[str, Array]]:
        """The reply to the oldest question under way.

        Raises:
            WorkerDied, WorkerTimedOut, WorkerGarbled: the worker is gone.
        """
        return self._collect()

    @property
    def has_ended(self) -> bool:
        """Whether it was closed or has failed."""
        return self._closed

    def is_busy(self) -> bool:
        """Whether it is computing an answer, and still has time for it. To be asked from any thread."""
        try:
            _, deadline = self._pending[0]
            return not (self._ready(select.POLLIN, 0) or self._clock.sleeps() or deadline.is_over)
        except (IndexError, ValueError, OSError):  # nothing is under way, or the connection was closed this moment
            return False

    def output(self) -> str:
        """What the package has printed so far, cut to a few kilobytes."""
        data = os.pread(self._output, OUTPUT_READ_MAX_BYTES, 0)
        return data.decode("utf-8", "replace")

    def kill(self) -> None:
        """End the worker's process; a caller that waits for its answer learns that it died."""
        if not self._closed:
            self._parent.end(self._pid)

    def close(self) -> None:
        """End the worker. Where the launcher is gone, so is the worker."""
        if not self._closed:
            self._parent.end(self._pid)
            self._hang_up()

    def _hang_up(self) -> None:
        self._closed = True
        self._pending.clear()
        self._connection.close()
        os.close(self._output)

    def _post(self, body: AnyQuestion | Load, tensors: Tensors, timeout: float) -> None:
        if not self._pending and self._ready(select.POLLIN, 0):
            raise self._failed(self._unasked())
        nonce = secrets.token_hex(8)
        frame = pack(nonce, body, tensors)
        deadline = Deadline(timeout, self._clock)
        self._pending.append((nonce, deadline))
        view = memoryview(frame)
        while view:
            if not self._comes(select.POLLOUT, deadline):
                self.spent = deadline.spent
                raise self._failed(WorkerTimedOut(f"it took no question for {timeout:g} s"))
            try:
                view = view[self._connection.send(view) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._failed(WorkerDied("it hung up")) from None

    def _unasked(self) -> WorkerFailed:
        """What it means that there is something to read before anything was asked."""
        try:
            ended = not self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            ended = True
        return WorkerDied("it hung up") if ended else WorkerGarbled("it wrote something before it was asked")

    def _collect(self) -> tuple[Reply, dict[str, Array]]:
        nonce, deadline = self._pending[0]
        try:
            try:
                answered, body, tensors = self._read(deadline)
            finally:
                self.spent = deadline.spent
            if answered != nonce:
                raise WireError("the reply does not carry the question's nonce")
            reply = reply_decoder.decode(body)
        except (WireError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._failed(WorkerGarbled(f"its answer could not be read: {error}"[:MAX_COMPLAINT])) from None
        except WorkerFailed as error:
            raise self._failed(error) from None
        self._pending.popleft()
        return reply, tensors

    def _failed(self, error: WorkerFailed) -> WorkerFailed:
        """End the worker; the error, and for a death how it died."""
        if self._closed:
            return error
        self.last_output = self.output()
        if isinstance(error, WorkerTimedOut):
            error.stack = self._stack()
        self._hang_up()
        code = self._parent.reap(self._pid, not isinstance(error, WorkerDied))
        if isinstance(error, WorkerDied):
            return WorkerDied(_describe_exit(code), killed=code == -signal.SIGKILL)
        return error

    def _stack(self) -> str:
        """Where the worker is, in faulthandler's words or whatever else it writes; empty where it writes nothing."""
        self._parent.dump(self._pid)
        data = bytearray()
        deadline = time.monotonic() + STACK_SECONDS
        while len(data) < STACK_MAX_BYTES and self._ready(select.POLLIN, deadline - time.monotonic()):
            try:
                chunk = self._connection.recv(STACK_MAX_BYTES)
            except OSError:
                break
            if not chunk:
                break
            data += chunk
            deadline = min(deadline, time.monotonic() + STACK_PAUSE_SECONDS) if b'File "' in data else deadline
        return data.decode("utf-8", "replace")

    def _ready(self, event: int, timeout: float) -> bool:
        """Whether the connection can be read or written (or has been closed) within ``timeout`` seconds."""
        poll = select.poll()
        poll.register(self._connection, event)
        return bool(poll.poll(timeout * 1000))

    def _comes(self, event: int, deadline: Deadline) -> bool:
        """Whether the connection can be read or written (or has been closed) before the deadline."""
        while not self._ready(event, 0):
            if deadline.is_over:
                return False
            # Before it is waited for: who sleeps between one byte and the next has always sent one when the wait ends.
            deadline.look(lambda: not self._ready(event, 0))
            self._ready(event, deadline.until_next_look)
        return True

    def _read(self, deadline: Deadline) -> tuple[str, bytes, dict[str, Array]]:
        header_length, payload_length = unpack_prefix(self._read_exactly(PREFIX.size, deadline))
        header = unpack_header(self._read_exactly(header_length, deadline))
        payload = self._read_exactly(payload_length, deadline)
        return header.nonce, bytes(header.body), unpack_tensors(header.tensors, payload)

    def _read_exactly(self, length: int, deadline: Deadline) -> bytearray:
        data = bytearray()
        while len(data) < length:
            if not self._comes(select.POLLIN, deadline):
                raise WorkerTimedOut("it gave no answer in time")
            try:
                chunk = self._connection.recv(min(CHUNK, length - len(data)))
            except BlockingIOError:
                continue
            except OSError:
                chunk = b""
            if not chunk:
                raise WorkerDied("it hung up")
            data += chunk
        return data


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "it hung up on the grader"
    if code >= 0:
        return f"its process exited with code {code}"
    try:
        return f"its process was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"its process was killed by signal {-code}"
