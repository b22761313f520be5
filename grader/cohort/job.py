"""The process that grades for a pool: one submission after another, until no more is asked."""

import os
import sys
import time
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from grader.cohort.pool import Graded, NotGraded, Setup, Task, receive, send
from grader.cohort.store import way_back
from grader.errors import CannotJudge
from grader.grading.session import Session
from grader.jobs import parent
from grader.result.audience import for_audience
from grader.result.record import Audience, Result, to_json, untimed
from grader.sandbox.errors import NotIsolated
from grader.sandbox.lock import not_dumpable


def main() -> None:
    """Serve on the socket whose descriptor and peer's pid are in argv."""
    with parent() as (peer, stream):
        if sys.platform == "linux":
            not_dumpable()  # it holds the seed
        setup = receive(stream)
        if not isinstance(setup, Setup):
            return  # given up before it began
        with JobGrader(setup) as job_grader:
            while isinstance(task := receive(stream), Task):
                graded = job_grader.grade(task)
                send(peer, graded)
                if isinstance(graded, NotGraded):
                    break  # the next submission gets a launcher that nothing has happened to
    os._exit(0)  # nothing is left to be put in order


class JobGrader:
    """A launcher that stays, and a reference that answers each question once. Use as a context manager."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._session = Session.start(setup.exercise, setup.options.isolation)

    def grade(self, task: Task) -> Graded | NotGraded:
        """The grade of a submission. After a NotGraded this may be of no use any more."""
        started = time.perf_counter()
        try:
            result = self._session.grade(task.submission, task.options or self._setup.options)
        except CannotJudge as error:
            return NotGraded(reason=str(error), hopeless=isinstance(error.__cause__, NotIsolated))
        report = b""
        if self._setup.audience is not None:
            result = replace(untimed(result), feedback=self._setup.feedback)
            report = report_in_cohort(result, self._setup.audience, task.folder)
        return Graded(result=to_json(result), report=report, seconds=time.perf_counter() - started)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()


def report_in_cohort(result: Result, audience: Audience, folder: str) -> bytes:
    """The report of a candidate. An instructor's leads back to the page of all; what is handed out leads nowhere."""
    from grader.report import render_html

    back = way_back(folder) if folder and audience is Audience.INSTRUCTOR else ""
    return render_html(for_audience(result, audience), back=back).encode()


if __name__ == "__main__":
    main()
