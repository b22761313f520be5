"""A cohort's end in the workers of a Dask cluster: what each is sent once, and what it is asked for each submission."""

import asyncio
import threading
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import msgspec
from distributed import WorkerPlugin, get_worker

from grader.cohort.pool import Answer, Graded, NotGraded, Setup, Task, decode, encode, grading
from grader.cohort.versions import Versions, differences, versions_of_a_job
from grader.jobs import Job
from grader.limits import JOB_IDLE_SECONDS

if TYPE_CHECKING:
    from distributed import Worker


class GradingPlugin(WorkerPlugin):
    """A worker job in each worker process. Dask sends it to workers that come later too.

    It travels as the name of this class and bytes, and Dask's pickles are never given more of ours than that.
    """

    def __init__(self, setup: bytes, wanted: bytes) -> None:
        self._setup = setup
        self._wanted = wanted

    def setup(self, worker: "Worker") -> None:
        """Get ready; nothing is started before there is something to grade."""
        setup = decode(self._setup)
        assert isinstance(setup, Setup), setup
        self._clerk = WorkerJob(setup, msgspec.json.decode(self._wanted, type=Versions))

    async def teardown(self, worker: "Worker") -> None:
        """Leave nothing behind; the worker goes on meanwhile."""
        await asyncio.to_thread(self._clerk.close)

    def grade(self, task: bytes, worker: str) -> bytes:
        """The Answer to a Task."""
        asked = decode(task)
        assert isinstance(asked, Task), asked
        return encode(Answer(worker=worker, graded=self._clerk.grade(asked)))


def grade(plugin: str, task: bytes) -> bytes:
    """The Answer to a Task, from the plugin of that name in the Dask worker that this is called in."""
    worker = get_worker()
    found = worker.plugins.get(plugin)
    if not isinstance(found, GradingPlugin):
        return encode(Answer(worker=worker.address, graded=NotGraded(reason="it was not sent the exercise")))
    return found.grade(task, worker.address)


async def versions_here() -> bytes:
    """What verdicts of the Dask worker that this is called in would rest on, as JSON; or why it has none."""
    return msgspec.json.encode(await asyncio.to_thread(versions_of_a_job))


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
