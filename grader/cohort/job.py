"""The process that grades for a cohort: one submission after another, until no more is asked."""

import os
import socket
import sys
import time
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from grader.cohort.messages import Graded, NotGraded, Setup, Task, receive, send
from grader.errors import CannotJudge
from grader.grading.session import Session
from grader.report import render_html
from grader.result.audience import for_audience
from grader.result.record import CheckResult, Result, to_json
from grader.sandbox.errors import NotIsolated
from grader.sandbox.lock import die_with_parent, not_dumpable
from grader.submission.read import Submission


def main() -> None:
    """Serve on the socket whose descriptor and peer's pid are in argv."""
    descriptor, parent = (int(argument) for argument in sys.argv[1:3])
    die_with_parent(parent)
    if sys.platform == "linux":
        not_dumpable()  # it holds the seed
    with socket.socket(fileno=descriptor) as peer, peer.makefile("rb") as stream:
        setup = receive(stream)
        if not isinstance(setup, Setup):
            return  # given up before it began
        with JobGrader(setup) as job_grader:
            while isinstance(task := receive(stream), Task):
                graded = job_grader.grade(task.submission)
                send(peer, graded)
                if isinstance(graded, NotGraded):
                    break  # the next submission gets a launcher that nothing has happened to
    os._exit(0)  # nothing is left to be put in order


class JobGrader:
    """A launcher that stays, and a reference that answers each question once. Use as a context manager."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._session = Session.start(setup.exercise, setup.options.isolation)

    def grade(self, submission: Submission) -> Graded | NotGraded:
        """The grade of ``submission``. After a NotGraded this may be of no use any more."""
        started = time.perf_counter()
        try:
            result = self._session.grade(submission, self._setup.options)
        except CannotJudge as error:
            return NotGraded(reason=str(error), hopeless=isinstance(error.__cause__, NotIsolated))
        result = untimed(result)
        result = replace(result, feedback=self._setup.feedback)
        report = render_html(for_audience(result, self._setup.audience)).encode()
        return Graded(result=to_json(result), report=report, seconds=time.perf_counter() - started)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()


def untimed(result: Result) -> Result:
    """The result without times, so that it is the same however busy the machine was."""
    return replace(
        result,
        items=tuple(replace(item, checks=_untimed(item.checks)) for item in result.items),
        followups=tuple(replace(followup, checks=_untimed(followup.checks)) for followup in result.followups),
        seconds=0.0,
        graded_at=None,
    )


def _untimed(checks: tuple[CheckResult, ...]) -> tuple[CheckResult, ...]:
    return tuple(replace(check, seconds=0.0) for check in checks)


if __name__ == "__main__":
    main()
