"""Jobs side by side: submissions are handed out one by one, and a job that dies costs one submission a second try."""

import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from grader.cohort.job_process import Job
from grader.cohort.messages import Graded, NotGraded, Setup, Task
from grader.errors import CannotJudge
from grader.limits import JOB_TRIES
from grader.submission.read import Submission

About = TypeVar("About")


@dataclass(slots=True)
class Asked(Generic[About]):
    """A submission on its way, what its caller knows it by, and how often grading it has failed."""

    about: About
    task: Task
    tries: int = 0


class Backend(Protocol):
    """What grades many submissions: a pool of this machine, or a cluster."""

    def grade(self, asked: Iterable[Asked[About]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        """What came of each, as they are done. The next is taken when there is room for it."""


def by_name(submissions: Mapping[str, Submission]) -> Iterator[Asked[str]]:
    """These submissions, all graded as the setup says."""
    return (Asked(name, Task(submission=submission, folder=name)) for name, submission in submissions.items())


def cores() -> int:
    """How many processes can compute at a time here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Up to ``jobs`` processes, each with a launcher of its own. Use as a context manager: leaving it ends them all.

    They are started as they are needed. The kernel ends them with the thread that made them, should this process be
    killed.
    """

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._setup = setup
        self._most = jobs
        self._jobs: list[Job] = []
        self._again: deque[Asked[Any]] = deque()  # those that have failed once, for when a job is free
        self._selector = selectors.DefaultSelector()
        self._busy = 0

    def grade(self, asked: Iterable[Asked[About]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        """What came of each submission, in the order in which they are done.

        The next one is taken when a job is free for it, so that there may be any number of them.

        Raises:
            CannotJudge: the machine cannot do it, for any submission.
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
        """Whether one more submission can be started."""
        return self._busy + len(self._again) < self._most

    def start(self, asked: Asked[Any]) -> None:
        """Have a submission graded: there has to be room for it."""
        job = self._idle()
        job.give(asked.task)
        self._selector.register(job.connection, selectors.EVENT_READ, (job, asked))
        self._busy += 1

    def finished(self, wake: socket.socket | None = None) -> list[tuple[Any, Graded | NotGraded]]:
        """Wait until something is done, and what came of it; of what is tried once more, nothing yet.

        Args:
            wake: ends the waiting when there is something to read on it.

        Raises:
            CannotJudge: the machine cannot do it, for any submission.
        """
        while self._again and self._busy < self._most:
            self.start(self._again.popleft())
        if wake is not None and wake not in self._selector.get_map():
            self._selector.register(wake, selectors.EVENT_READ, None)
        found: list[tuple[Any, Graded | NotGraded]] = []
        for key, _ in self._selector.select():
            if key.data is None:
                continue
            job, asked = key.data
            self._selector.unregister(job.connection)
            self._busy -= 1
            graded = job.take()
            if isinstance(graded, NotGraded):
                self._end(job)
                if graded.hopeless:
                    raise CannotJudge(graded.reason)
                asked.tries += 1
                if asked.tries < JOB_TRIES:
                    self._again.append(asked)
                    continue
            found.append((asked.about, graded))
        return found

    def kill(self) -> None:
        """End all jobs at once, from any thread: afterwards only leaving it is of use."""
        for job in list(self._jobs):
            job.kill()

    def _idle(self) -> Job:
        """A job that has nothing to do, a new one if there is none."""
        for job in self._jobs:
            if not job.busy:
                return job
        job = Job(self._setup)
        self._jobs.append(job)
        return job

    def _end(self, job: Job) -> None:
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


Answer = Future[Graded | NotGraded]
CLOSED: Final = "nothing could be judged: the pool is closed"


class BackgroundPool:
    """A pool for callers in any thread, who get a future each. Close it: that ends all its processes.

    A thread of its own makes the jobs, since the kernel ends a job with the thread that made it.
    """

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._pool = Pool(setup, jobs)
        self._asked: SimpleQueue[tuple[Task, Answer]] = SimpleQueue()
        self._changing = threading.Lock()
        self._over: CannotJudge | None = None  # why nothing more is graded
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._work, name="grader-pool", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is graded: it was closed, or the machine cannot do it."""
        return self._over is not None

    def submit(self, task: Task) -> Answer:
        """Have a submission graded, after those asked for before; its future raises CannotJudge once this is over."""
        answer: Answer = Future()
        with self._changing:
            if self._over is None:
                self._asked.put((task, answer))
                self._wake()
                return answer
        answer.set_exception(self._over)
        return answer

    def close(self) -> None:
        """Give up what is under way, and end all processes. From any thread; a second call waits for the first."""
        self._end(CannotJudge(CLOSED))
        self._pool.kill()
        self._thread.join()

    def _end(self, reason: CannotJudge) -> None:
        with self._changing:
            if self._over is None:
                self._over = reason
                self._wake()

    def _wake(self) -> None:
        try:
            self._waker.send(b"!")
        except BlockingIOError:
            pass  # it has been woken often enough
        except OSError:
            pass  # it has ended

    # What follows runs in the thread of its own.

    def _work(self) -> None:
        waiting: deque[tuple[Task, Answer]] = deque()
        under_way: set[Answer] = set()
        try:
            with self._pool, self._woken, self._waker:
                while True:
                    self._take_asked(waiting)
                    # After it was taken that this was woken: who ends it says so first, and wakes it then.
                    if self._over is not None:
                        break
                    while waiting and self._pool.has_room:
                        task, answer = waiting.popleft()
                        if answer.set_running_or_notify_cancel():
                            under_way.add(answer)
                            self._pool.start(Asked(answer, task))
                    for answer, graded in self._pool.finished(self._woken):
                        under_way.discard(answer)
                        answer.set_result(graded)
        except CannotJudge as error:
            self._end(error)
        except Exception as error:  # no caller is to wait for ever
            self._end(CannotJudge(f"nothing could be judged: {error}"))
        assert self._over is not None
        self._take_asked(waiting)
        for answer in (*under_way, *(answer for _, answer in waiting)):
            if not answer.cancelled():
                answer.set_exception(self._over)

    def _take_asked(self, waiting: "deque[tuple[Task, Answer]]") -> None:
        try:
            while self._woken.fileno() >= 0 and self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass
        try:
            while True:
                waiting.append(self._asked.get_nowait())
        except Empty:
            pass
