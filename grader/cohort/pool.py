"""Jobs side by side: submissions are handed out one by one, and a job that dies costs one submission a second try."""

import selectors
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from grader.cohort.job_process import Job
from grader.cohort.messages import Graded, NotGraded, Setup
from grader.errors import CannotJudge
from grader.limits import JOB_TRIES
from grader.submission.read import Submission


class Pool:
    """Up to ``jobs`` processes, each with a launcher of its own. Use as a context manager: leaving it ends them all.

    The kernel ends them with the thread that made them, should this process be killed.
    """

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._setup = setup
        self._most = jobs
        self._jobs: list[Job] = []

    def grade(self, submissions: Mapping[str, Submission]) -> Iterator[tuple[str, Graded | NotGraded]]:
        """What came of each submission, by its name, in the order in which they are done.

        Raises:
            CannotJudge: the machine cannot do it, for any submission.
        """
        waiting = deque(Asked(name, submission) for name, submission in submissions.items())
        with selectors.DefaultSelector() as selector:
            while waiting or selector.get_map():
                while waiting and len(selector.get_map()) < self._most:
                    job, asked = self._idle(), waiting.popleft()
                    job.give(asked.submission, asked.name)
                    selector.register(job.connection, selectors.EVENT_READ, (job, asked))
                for key, _ in selector.select():
                    job, asked = key.data
                    selector.unregister(job.connection)
                    graded = job.take()
                    if isinstance(graded, Graded):
                        yield asked.name, graded
                        continue
                    self._end(job)
                    if graded.hopeless:
                        raise CannotJudge(graded.reason)
                    asked.tries += 1
                    if asked.tries < JOB_TRIES:
                        waiting.append(asked)
                    else:
                        yield asked.name, graded

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


@dataclass(slots=True)
class Asked:
    """A submission on its way, and how often that has failed."""

    name: str
    submission: Submission
    tries: int = 0
