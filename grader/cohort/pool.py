"""What grades many submissions side by side: a pool of this machine's processes, in the background too."""

import os
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from grader.cohort.messages import MESSAGES, Graded, NotGraded, Setup, Task
from grader.errors import CannotJudge
from grader.jobs import About, Asked, Jobs, Work
from grader.limits import JOB_BUDGET_FACTOR, JOB_SECONDS
from grader.submission.read import Submission


class Backend(Protocol):
    """What grades many submissions: a pool of this machine, or a cluster."""

    def grade(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        """What came of each, as they are done. The next is taken when there is room for it."""


def by_name(submissions: Mapping[str, Submission]) -> Iterator[Asked[str, Task]]:
    """These submissions, all graded as the setup says."""
    return (Asked(name, Task(submission=submission, folder=name)) for name, submission in submissions.items())


def cores() -> int:
    """How many processes can compute at a time here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grading(setup: Setup) -> Work[Task, Graded, NotGraded]:
    """What a job does in a cohort: it grades submissions, with a launcher of its own."""
    return Work(
        module="grader.cohort.job",
        messages=MESSAGES,
        setup=setup,
        called="graded",
        done=Graded,
        failed=NotGraded,
        limit=lambda task: JOB_SECONDS + JOB_BUDGET_FACTOR * (task.options or setup.options).budget,
    )


class Pool(Jobs[Task, Graded, NotGraded]):
    """Up to ``most`` processes of this machine that grade. Use as a context manager: leaving it ends them all."""

    def __init__(self, setup: Setup, most: int) -> None:
        super().__init__(grading(setup), most)

    def grade(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        """What came of each submission, in the order in which they are done.

        The next one is taken when a job is free for it, so that there may be any number of them.

        Raises:
            CannotJudge: the machine cannot do it, for any submission.
        """
        return self.answers(asked)


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
