"""Jobs side by side: submissions are handed out one by one, and a job that dies costs one submission a second try."""

import contextlib
import os
import selectors
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from grader.cohort.messages import Marked, NotMarked, Setup, Task, receive, send
from grader.errors import CannotJudge
from grader.submission import Submission

TRIES: Final = 2  # at one submission, before it is recorded as not judged
GRACE: Final = 30.0  # seconds for a job that has nothing to do to end its launcher


class Pool:
    """Up to ``jobs`` processes, each with a launcher of its own. Use as a context manager: leaving it ends them all.

    The kernel ends them with the thread that made them, should this process be killed.
    """

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._setup = setup
        self._most = jobs
        self._jobs: list[_Job] = []

    def mark(self, submissions: Mapping[str, Submission]) -> Iterator[tuple[str, Marked | NotMarked]]:
        """What came of each submission, by its name, in the order in which they are done.

        Raises:
            CannotJudge: the machine cannot do it, for any submission.
        """
        waiting = deque(_Asked(name, submission) for name, submission in submissions.items())
        with selectors.DefaultSelector() as selector:
            while waiting or selector.get_map():
                while waiting and len(selector.get_map()) < self._most:
                    job = self._idle()
                    job.give(waiting.popleft())
                    selector.register(job.connection, selectors.EVENT_READ, job)
                for key, _ in selector.select():
                    job = key.data
                    selector.unregister(job.connection)
                    asked, marked = job.take()
                    if isinstance(marked, Marked):
                        yield asked.name, marked
                        continue
                    self._end(job)
                    if marked.hopeless:
                        raise CannotJudge(marked.reason)
                    asked.tries += 1
                    if asked.tries < TRIES:
                        waiting.append(asked)
                    else:
                        yield asked.name, marked

    def _idle(self) -> "_Job":
        """A job that has nothing to do, a new one if there is none."""
        for job in self._jobs:
            if job.asked is None:
                return job
        job = _Job(self._setup)
        self._jobs.append(job)
        return job

    def _end(self, job: "_Job") -> None:
        self._jobs.remove(job)
        job.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._jobs:
            self._end(self._jobs[-1])


@dataclass(slots=True)
class _Asked:
    """A submission on its way, and how often that has failed."""

    name: str
    submission: Submission
    tries: int = 0


class _Job:
    """One process that marks, and what it is marking."""

    def __init__(self, setup: Setup) -> None:
        self.connection, theirs = socket.socketpair()
        self._stream = self.connection.makefile("rb")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "grader.cohort.job", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the cohort, which then ends its jobs
            )
        self.asked: _Asked | None = None
        self._send(setup)

    def give(self, asked: _Asked) -> None:
        """Have it mark a submission."""
        self.asked = asked
        self._send(Task(submission=asked.submission))

    def take(self) -> tuple[_Asked, Marked | NotMarked]:
        """What came of it, once there is something to read."""
        assert self.asked is not None
        asked, self.asked = self.asked, None
        try:
            marked = receive(self._stream)
        except OSError:
            marked = None
        if marked is None:
            return asked, NotMarked(reason=f"the process that graded it ended ({self._last_words()})")
        assert isinstance(marked, Marked | NotMarked), marked
        return asked, marked

    def close(self) -> None:
        """End it: in order if it has nothing to do, else at once. With it go its launcher and its workers."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        if self.asked is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=GRACE)
        self._process.kill()
        self._process.wait()
        self._stream.close()
        self.connection.close()
        self._log.close()

    def _send(self, message: Setup | Task) -> None:
        with contextlib.suppress(OSError):  # that it has ended is seen when its answer is due
            send(self.connection, message)

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)  # it has hung up: let it finish
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return lines[-1][:500] if lines else f"exit code {self._process.returncode}"
