"""Grades one submission at a time. Thread-safe. Runs until it is closed."""

import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from grader.cohort.messages import Graded, NotGraded, Setup, Task
from grader.cohort.pool import grading
from grader.cohort.versions import Versions, differences, versions_of_a_job
from grader.jobs import Job
from grader.limits import JOB_IDLE_SECONDS


class WorkerJob:
    """One job, started when there is something to grade, and not at all where a job would not be the same as elsewhere.

    A thread of its own starts it: the kernel ends a job with the thread that made it, and those that ask come and go.
    """

    def __init__(self, setup: Setup, wanted: Versions) -> None:
        self._setup = setup
        self._wanted = wanted
        self._refusal: str | None = None  # why nothing is graded here; empty once it is known that there is no reason
        self._job: Job[Task, Graded, NotGraded] | None = None
        self._closed = False
        self._turn = threading.Lock()  # for those three
        self._asked: SimpleQueue[tuple[Task, Future[Graded | NotGraded]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="grader-worker-job", daemon=True)
        self._thread.start()

    def grade(self, task: Task) -> Graded | NotGraded:
        """What came of a submission, once those that were asked for before are done."""
        answer: Future[Graded | NotGraded] = Future()
        with self._turn:
            if self._closed:
                return _given_up()
            self._asked.put((task, answer))
        return answer.result()

    def close(self) -> None:
        """End the job at once, whatever it is doing. With it go its launcher and its workers."""
        with self._turn:
            self._closed = True
            if self._job is not None:
                self._job.kill()
            self._asked.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            while (asked := self._next()) is not None:
                task, answer = asked
                try:
                    answer.set_result(self._graded(task))
                except Exception as error:  # its caller waits for an answer
                    self._end_job()
                    answer.set_result(NotGraded(reason=f"it could not be graded: {error!r}"[:500]))
        finally:
            self._end_job()

    def _next(self) -> tuple[Task, "Future[Graded | NotGraded]"] | None:
        while True:
            try:
                return self._asked.get(timeout=JOB_IDLE_SECONDS if self._job is not None else None)
            except Empty:
                self._end_job()

    def _graded(self, task: Task) -> Graded | NotGraded:
        if self._refusal is None:
            self._refusal = differences(versions_of_a_job(), self._wanted)
        if self._refusal:
            return NotGraded(reason=self._refusal, hopeless=True)
        with self._turn:
            if self._closed:
                return _given_up()
            if self._job is None:
                self._job = Job(grading(self._setup))
            job = self._job
        job.give(task)  # with the lock free: should it not read, close() has to get at it
        graded = job.take()
        if isinstance(graded, NotGraded):
            self._end_job()  # the next one gets a launcher that nothing has happened to
        return graded

    def _end_job(self) -> None:
        with self._turn:
            job, self._job = self._job, None
        if job is not None:
            job.close()


def _given_up() -> NotGraded:
    return NotGraded(reason="the cohort was given up")
