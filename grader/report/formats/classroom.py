"""What a grader of GitHub Classroom hands to its reporter: base64 of JSON, a test for each item.

The reporter prints it into the log of the student's repository, so it is always the learner's view.
"""

import base64
from typing import Literal

import msgspec
from msgspec import Struct

from grader.report.formats.plain import line, reason, whole
from grader.report.verdict import DOES_NOT_RUN, Stop, first_failing, is_full, stops, waits_for_the_code
from grader.report.words import OUTCOME, STATUS
from grader.result.audience import for_audience
from grader.result.record import Audience, ItemResult, Outcome, Result, Status

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
    items = (whole(seen), *seen.items) if seen.is_score_alone else seen.items
    results = Results(
        status=_overall(seen), max_score=seen.max_score, tests=(*map(_stopped, stops(seen)), *map(_test, items))
    )
    return base64.b64encode(msgspec.json.encode(results)) + b"\n"


def _overall(result: Result) -> Verdict:
    if not result.judged:
        return "error"
    return "pass" if result.full_marks else "fail"


def _stopped(stop: Stop) -> Test:
    """Why it does not run: first, and without points of its own."""
    return Test(
        name=_loggable(line(f"{DOES_NOT_RUN}: {' and '.join(stop.files)}")),
        status="error",
        score=0.0,
        message=_loggable(line(stop.headline)),
        filename=line(stop.files[0]),
        line_no=stop.line,
        execution_time=0.0,
    )


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
        return "error"  # it could not be judged, and is no failure
    return "pass" if is_full(item) else "fail"


def _message(item: ItemResult) -> str:
    if is_full(item):
        return ""
    check = first_failing(item)
    if check is None or waits_for_the_code(item):
        return ": ".join(filter(None, (STATUS[item.status].word, line(item.summary))))
    others = sum(other.outcome is not Outcome.PASSED for other in item.checks) - 1
    more = f" (and {others} more)" if others else ""
    return f"{OUTCOME[check.outcome].word}: {line(check.title)} {reason(check)}{more}"


def _loggable(text: str) -> str:
    """The text without the marks by which a log's line becomes a command to the machine that runs the workflow."""
    return text.replace("::", ": :").replace("##[", "# #[")
