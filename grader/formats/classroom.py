"""What a grader of GitHub Classroom hands to its reporter: base64 of JSON, a test for each item.

The reporter prints it into the log of the student's repository, so it is always the learner's view.
"""

import base64
from typing import Literal

import msgspec
from msgspec import Struct

from grader.audience import for_audience
from grader.formats.plain import line, reason
from grader.record import Audience, ItemResult, Outcome, Result, Status
from grader.report.verdict import first_failing, is_full
from grader.report.words import OUTCOME

Verdict = Literal["pass", "fail", "error"]


class Test(Struct, frozen=True, kw_only=True):
    """One item. The reporter adds up the scores."""

    name: str
    status: Verdict
    score: float
    message: str
    test_code: str = ""
    filename: str = ""
    line_no: int = 0
    execution_time: float  # seconds


class Results(Struct, frozen=True, kw_only=True):
    """What one grader has found."""

    version: int = 1
    status: Verdict
    max_score: float
    tests: tuple[Test, ...]


def render(result: Result) -> bytes:
    """One line of ASCII, as a step's output takes it."""
    seen = for_audience(result, Audience.LEARNER)
    results = Results(status=_overall(seen), max_score=seen.max_score, tests=tuple(map(_test, seen.items)))
    return base64.b64encode(msgspec.json.encode(results)) + b"\n"


def _overall(result: Result) -> Verdict:
    if not result.judged:
        return "error"
    return "pass" if result.full_marks else "fail"


def _test(item: ItemResult) -> Test:
    return Test(
        name=_loggable(line(item.title)),
        status=_verdict(item),
        score=item.score,
        message=_loggable(_message(item)),
        execution_time=round(sum(check.seconds for check in item.checks), 3),
    )


def _verdict(item: ItemResult) -> Verdict:
    if item.status in (Status.WAITS, Status.NOT_JUDGED):
        return "error"  # it could not be told: nobody has failed it
    return "pass" if is_full(item) else "fail"


def _message(item: ItemResult) -> str:
    if is_full(item):
        return ""
    check = first_failing(item)
    if check is None:
        return line(item.summary)
    others = sum(other.outcome is not Outcome.PASSED for other in item.checks) - 1
    more = f" (and {others} more)" if others else ""
    return f"{OUTCOME[check.outcome].word}: {line(check.title)} {reason(check)}{more}"


def _loggable(text: str) -> str:
    """The text without the marks by which a log's line becomes a command to the machine that runs the workflow."""
    return text.replace("::", ": :").replace("##[", "# #[")
