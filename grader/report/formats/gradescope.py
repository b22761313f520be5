"""results.json of a Gradescope autograder: a test for each item, with its points.

Students are shown these tests, so the file is always the learner's view, for whomever it is written.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from grader.report.formats.plain import as_text, evidence, headline, line, stopped, telling
from grader.report.verdict import is_full, stops, verdict, waits_for_the_code, withheld
from grader.report.words import STATUS, number, points
from grader.result.audience import for_audience
from grader.result.record import Audience, FollowUp, ItemResult, Result, Status

UNJUDGED = (
    "The grader or its machine failed here. This is no verdict on the code: the points are in neither the score nor "
    "its maximum. Ask for it to be graded again."
)


class Test(Struct, frozen=True, kw_only=True):
    """One row of what the student sees."""

    score: float | UnsetType = UNSET
    max_score: float | UnsetType = UNSET
    status: Literal["passed", "failed"]
    name: str
    name_format: Literal["text"] = "text"
    number: str
    output: str
    output_format: Literal["text"] = "text"
    tags: tuple[str, ...] = ()
    visibility: Literal["visible"] = "visible"


class Results(Struct, frozen=True, kw_only=True):
    """The whole file."""

    score: float  # overrides the sum of the tests
    execution_time: float  # seconds
    output: str
    output_format: Literal["text"] = "text"
    visibility: Literal["visible"] = "visible"
    stdout_visibility: Literal["hidden"] = "hidden"
    tests: tuple[Test, ...]


def render(result: Result) -> bytes:
    """The file as indented JSON, UTF-8."""
    seen = for_audience(result, Audience.LEARNER)
    tests = [_item(item, position) for position, item in enumerate(seen.items, 1)]
    tests += [_followup(item, position) for position, item in enumerate(seen.followups, 1)]
    results = Results(
        score=seen.score,
        execution_time=max(seen.seconds, 0.0),
        output="\n".join(_overview(seen)),
        tests=tuple(tests),
    )
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"


def _overview(result: Result) -> Iterator[str]:
    yield f"{line(result.exercise.title)}: {number(result.score)} of {number(result.max_score)} points."
    for stop in stops(result):
        yield as_text(stopped(stop))
    yield verdict(result)
    if not result.judged:
        yield f"Some items could not be judged. {UNJUDGED}"
    if result.remaining_bugs is not None:
        yield f"Known bugs still in: {', '.join(map(line, result.remaining_bugs)) or 'none'}"
    if hidden := withheld(result):
        yield hidden
    yield from (f"Note: {line(note)}" for note in result.candidate.notes)


def _item(item: ItemResult, position: int) -> Test:
    return Test(
        score=item.score,
        max_score=item.max_score,
        # Said, not left to be inferred: 0 of 0 points would read as passed.
        status="passed" if is_full(item) else "failed",
        name=line(item.title),
        number=str(position),
        output="\n".join(_told(item, line(item.summary, 600))),
        tags=(item.status.value,),
    )


def _followup(item: FollowUp, position: int) -> Test:
    """Without points: it is scored in a table of its own, and the total would not add up."""
    beside = f"{number(item.score)} of {number(item.max_score)} points beside the total, not part of it."
    return Test(
        status="passed" if is_full(item) else "failed",
        name=f"Follow-up: {line(item.title)}",
        number=f"F{position}",
        output="\n".join(_told(item, beside)),
        tags=("follow-up", item.status.value),
    )


def _told(item: ItemResult | FollowUp, summary: str) -> Iterator[str]:
    yield f"{STATUS[item.status].symbol} {STATUS[item.status].word}. {summary}".rstrip()
    if item.status is Status.NOT_JUDGED:
        yield UNJUDGED
    if waits_for_the_code(item):
        return
    shown = telling(item)
    for check in item.checks:
        yield f"\n{headline(check)} · {points(check)}"
        if check in shown:
            yield as_text(evidence(check), margin="  ")
