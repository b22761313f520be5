"""Jobs: processes side by side that do one task after another, handed out by a pool.

A job that dies, hangs or answers with rubbish costs its task a second try, and no other task anything.
"""

import contextlib
import os
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Final, Generic, Self, TypeVar

import msgspec
from msgspec import Struct

from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line
from grader.limits import JOB_END_SECONDS, JOB_TRIES, MESSAGE_MAX_BYTES
from grader.sandbox.lock import die_with_parent

_LENGTH: Final = struct.Struct("!I")

Message = TypeVar("Message")
About = TypeVar("About")


class Failure(Struct, frozen=True, kw_only=True):
    """What came of a task when our side or the machine failed: nothing. Its job has ended, or is to be ended."""

    reason: str
    hopeless: bool = False  # it will be the same for every task

    @property
    def error(self) -> CannotJudge | UsageError:
        """What is raised where it is hopeless."""
        return CannotJudge(self.reason)


Task = TypeVar("Task", bound=Struct)
Done = TypeVar("Done", bound=Struct)
Failed = TypeVar("Failed", bound=Failure)


class Messages(Generic[Message]):
    """Messages of some kinds, as bytes and over a socket: all by value, as to another machine."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[Message]) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = decoder

    def encode(self, message: Message) -> bytes:
        """The message as bytes."""
        return self._encoder.encode(message)

    def decode(self, data: bytes) -> Message:
        """What ``encode`` made the bytes of. Raises ``msgspec.DecodeError`` for anything else."""
        try:
            return self._decoder.decode(data)
        except RecursionError:
            raise msgspec.DecodeError("a message that is nested too deep") from None

    def send(self, connection: socket.socket, message: Message) -> None:
        """Send one message. Raises OSError when the reader is gone."""
        data = self.encode(message)
        connection.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self, stream: BinaryIO) -> Message | None:
        """The next message; None when the other side has ended, in the middle of one too.

        Raises:
            msgspec.DecodeError: what came is no message of ours. Nothing that comes after it can be read.
        """
        head = stream.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(head)
        if length > MESSAGE_MAX_BYTES:
            raise msgspec.DecodeError(f"a message of {length} bytes; expected at most {MESSAGE_MAX_BYTES}")
        data = stream.read(length)
        return self.decode(data) if len(data) == length else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[Task, Done, Failed]):
    """What the jobs of a pool are there for.

    Attributes:
        module: what a job runs: it reads the setup and then tasks from its ``parent``, and answers each.
        called: what is done to a task, in the past tense.
        limit: seconds that a task may take by the clock.
        is_last: whether a job takes no other task after this answer.
    """

    module: str
    messages: Messages[Any]
    setup: Struct
    called: str
    done: type[Done]
    failed: type[Failed]
    limit: Callable[[Task], float]
    is_last: Callable[[Done], bool] = lambda _: False


@contextlib.contextmanager
def parent() -> Iterator[tuple[socket.socket, BinaryIO]]:
    """In a job: the way to and from the process that started it. The job ends with that one."""
    descriptor, pid = (int(argument) for argument in sys.argv[1:3])
    die_with_parent(pid)
    with socket.socket(fileno=descriptor) as peer, peer.makefile("rb") as stream:
        yield peer, stream


@dataclass(slots=True)
class Asked(Generic[About, Task]):
    """A task on its way, what its caller knows it by, and how often it has failed."""

    about: About
    task: Task
    tries: int = 0


class Jobs(Generic[Task, Done, Failed]):
    """Up to ``most`` jobs. Use as a context manager: leaving it ends them all.

    They are started as they are needed. The kernel ends them with the thread that made them, should this process be
    killed.
    """

    def __init__(self, work: Work[Task, Done, Failed], most: int) -> None:
        self._work = work
        self._most = most
        self._jobs: list[Job[Task, Done, Failed]] = []
        self._again: deque[Asked[Any, Task]] = deque()  # those that have failed once, for when a job is free
        self._selector = selectors.DefaultSelector()
        self._busy = 0

    def answers(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Done | Failed]]:
        """What came of each task, in the order in which they are done.

        The next one is taken when a job is free for it, so that there may be any number of them.

        Raises:
            CannotJudge: the machine cannot do it, for any task.
            UsageError: it cannot be done like this, for any task.
        """
        coming, is_over = iter(asked), False
        while True:
            while self.has_room and not is_over:
                following = next(coming, None)
                if following is None:
                    is_over = True
                else:
                    self.start(following)
            if not self._busy and not self._again:
                return
            yield from self.finished()

    @property
    def has_room(self) -> bool:
        """Whether one more task can be started."""
        return self._busy + len(self._again) < self._most

    def start(self, asked: Asked[Any, Task]) -> None:
        """Have a task done: there has to be room for it."""
        job = self._idle()
        job.give(asked.task)
        self._selector.register(job.connection, selectors.EVENT_READ, (job, asked))
        self._busy += 1

    def finished(self, wake: socket.socket | None = None) -> Iterator[tuple[Any, Done | Failed]]:
        """Wait until something is done, and what came of it; of what is tried once more, nothing yet.

        Args:
            wake: ends the waiting when there is something to read on it.

        Raises:
            CannotJudge: the machine cannot do it, for any task.
            UsageError: it cannot be done like this, for any task.
        """
        while self._again and self._busy < self._most:
            self.start(self._again.popleft())
        if wake is not None and wake not in self._selector.get_map():
            self._selector.register(wake, selectors.EVENT_READ, None)
        for key, _ in self._selector.select():
            if key.data is None:
                continue
            job, asked = key.data
            self._selector.unregister(job.connection)
            self._busy -= 1
            answer = job.take()
            if isinstance(answer, self._work.failed):
                self._end(job)
                if answer.hopeless:
                    raise answer.error
                asked.tries += 1
                if asked.tries < JOB_TRIES:
                    self._again.append(asked)
                    continue
            elif self._work.is_last(answer):
                self._end(job)
            yield asked.about, answer

    def kill(self) -> None:
        """End all jobs at once, from any thread: afterwards only leaving it is of use."""
        for job in list(self._jobs):
            job.kill()

    def _idle(self) -> "Job[Task, Done, Failed]":
        """A job that has nothing to do, a new one if there is none."""
        for job in self._jobs:
            if not job.busy:
                return job
        job = Job(self._work)
        self._jobs.append(job)
        return job

    def _end(self, job: "Job[Task, Done, Failed]") -> None:
        self._jobs.remove(job)
        job.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for job in self._jobs:
            job.hang_up()  # all of them first: each takes its time to end
        while self._jobs:
            self._end(self._jobs[-1])
        self._selector.close()


class Job(Generic[Task, Done, Failed]):
    """One process, which does one task at a time, seen from the one that started it.

    The kernel ends it with the *thread* that made it: let that be one that lasts.
    """

    def __init__(self, work: Work[Task, Done, Failed]) -> None:
        self.busy = False
        self._work = work
        self._begun = False  # whether the setup has been sent
        self._limit = 0.0  # seconds for the task given last
        self._given = 0  # tasks so far
        self._overdue = False
        self._turn = threading.Lock()  # for those two and ``busy``: a timer may go off at any moment
        self._watch: threading.Timer | None = None  # over the task given last
        self._patience: float | None = None  # until when it may take to end, once it is asked no more
        self.connection, theirs = socket.socketpair()
        self._stream = self.connection.makefile("rb")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", work.module, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the process that asks, which then ends its jobs
            )

    def give(self, task: Task) -> None:
        """Have it do a task. This waits for as long as it does not read: ``kill`` ends that."""
        self._limit = self._work.limit(task)
        with self._turn:
            self.busy = True
            self._given += 1
        self._watch = threading.Timer(self._limit, self._end_overdue, (self._given,))
        self._watch.daemon = True
        self._watch.start()
        if not self._begun:
            self._send(self._work.setup)
            self._begun = True
        self._send(task)

    def take(self) -> Done | Failed:
        """What came of it: there is something to read on ``connection``, or this waits, though not for ever."""
        try:
            answer = self._work.messages.receive(self._stream)
        except OSError:
            answer = None
        except msgspec.DecodeError as error:  # it stays busy: nothing in order is to be expected of it any more
            return self._failed(f"answered with no message of ours ({one_line(str(error))})")
        finally:
            self._stop_watching()
        with self._turn:
            self.busy = False
        if self._overdue:  # what it may have answered just before: the job has ended, and is not to be kept
            return self._failed(f"gave no answer for {self._limit:g} s")
        if answer is None:
            return self._failed(f"ended ({self._last_words()})")
        if isinstance(answer, (self._work.done, self._work.failed)):
            return answer
        return self._failed(f"answered with a {type(answer).__name__}")

    def kill(self) -> None:
        """End it at once, from any thread: a caller that waits for an answer learns that it has ended."""
        self._process.kill()

    def hang_up(self) -> None:
        """Tell it, without waiting, that no more requests come: it ends in order if it has nothing to do, else now."""
        if self._patience is None:
            self._patience = time.monotonic() + JOB_END_SECONDS
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            if self.busy:
                self._process.kill()

    def close(self) -> None:
        """Hang up, and see it end. With it go its launcher and its workers."""
        self.hang_up()
        self._stop_watching()
        assert self._patience is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=max(0.0, self._patience - time.monotonic()))
        self._process.kill()
        self._process.wait()
        self._stream.close()
        self.connection.close()
        self._log.close()

    def _end_overdue(self, given: int) -> None:
        with self._turn:
            if self.busy and given == self._given:
                self._overdue = True
                self.kill()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def _send(self, message: Struct) -> None:
        with contextlib.suppress(OSError):  # that it has ended is seen when its answer is due
            self._work.messages.send(self.connection, message)

    def _failed(self, what: str) -> Failed:
        return self._work.failed(reason=f"the process that {self._work.called} it {what}")

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)  # it has hung up: let it finish
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return one_line(lines[-1])[:500] if lines else f"exit code {self._process.returncode}"
