"""A process that grades, seen from the one that started it: what it is given, and what came of it."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

import msgspec

from grader.cohort.messages import Graded, NotGraded, Setup, Task, receive, send
from grader.files.printable import one_line
from grader.limits import JOB_BUDGET_FACTOR, JOB_END_SECONDS, JOB_SECONDS


class Job:
    """One process with a launcher of its own, which grades one submission at a time.

    The kernel ends it with the *thread* that made it: let that be one that lasts.
    """

    def __init__(self, setup: Setup) -> None:
        self.busy = False
        self._setup: Setup | None = setup  # until it has been sent
        self._options = setup.options
        self._limit = 0.0  # seconds for the submission given last
        self._given = 0  # submissions so far
        self._overdue = False
        self._turn = threading.Lock()  # for those two and ``busy``: a timer may go off at any moment
        self._watch: threading.Timer | None = None  # over the submission given last
        self._patience: float | None = None  # until when it may take to end, once it is asked no more
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

    def give(self, task: Task) -> None:
        """Have it grade a submission. This waits for as long as it does not read: ``kill`` ends that."""
        self._limit = JOB_SECONDS + JOB_BUDGET_FACTOR * (task.options or self._options).budget
        with self._turn:
            self.busy = True
            self._given += 1
        self._watch = threading.Timer(self._limit, self._end_overdue, (self._given,))
        self._watch.daemon = True
        self._watch.start()
        if self._setup is not None:
            self._send(self._setup)
            self._setup = None
        self._send(task)

    def take(self) -> Graded | NotGraded:
        """What came of it: there is something to read on ``connection``, or this waits, though not for ever."""
        try:
            graded = receive(self._stream)
        except OSError:
            graded = None
        except msgspec.DecodeError as error:  # it stays busy: nothing in order is to be expected of it any more
            return NotGraded(
                reason=f"the process that graded it answered with no message of ours ({one_line(str(error))})"
            )
        finally:
            self._stop_watching()
        with self._turn:
            self.busy = False
        match graded:
            case _ if self._overdue:  # what it may have answered just before: the job has ended, and is not to be kept
                return NotGraded(reason=f"the process that graded it gave no answer for {self._limit:g} s")
            case None:
                return NotGraded(reason=f"the process that graded it ended ({self._last_words()})")
            case Graded() | NotGraded():
                return graded
            case _:
                return NotGraded(reason=f"the process that graded it answered with a {type(graded).__name__}")

    def kill(self) -> None:
        """End it at once, from any thread: a caller that waits for a grade learns that it has ended."""
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

    def _send(self, message: Setup | Task) -> None:
        with contextlib.suppress(OSError):  # that it has ended is seen when its answer is due
            send(self.connection, message)

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)  # it has hung up: let it finish
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return lines[-1][:500] if lines else f"exit code {self._process.returncode}"
