"""A summary in GitHub's Markdown, for the page of a workflow's run.

Markup in it is ours alone. What comes from elsewhere is either text without a character that Markdown or HTML would
act on, or stands in ``<code>``, where GitHub links no names, numbers, commits or addresses.
"""

import html
import re
from collections.abc import Iterator
from typing import Final

from grader.report.formats.plain import TEXT, Kind, Part, evidence, headline, line, reason, stopped, telling
from grader.report.verdict import (
    first_failing,
    is_full,
    is_right_but_for_bits,
    stops,
    verdict,
    waits_for_the_code,
    withheld,
)
from grader.report.words import STATUS, number, points
from grader.result.record import FollowUp, ItemResult, Result, Status

MAX_BYTES: Final = 1_000_000  # GitHub drops a summary of more than 1 MiB
# How much of one text is shown. Only a flood makes the summary too big at the first of these.
_LIMITS: Final = (TEXT, 2_000, 400, 80)
_ACTIVE: Final = re.compile(r"[\\`*_\[\]<>&|~$:@#]|(?<=www)\.", re.IGNORECASE)


def render(result: Result) -> bytes:
    """The summary in UTF-8, below a megabyte however much a candidate printed."""
    page = b""
    for limit in _LIMITS:
        page = ("\n".join(_lines(result, limit)) + "\n").encode()
        if len(page) < MAX_BYTES:
            break
    return page


def _lines(result: Result, limit: int) -> Iterator[str]:
    yield f"## {_text(result.exercise.title)}: {number(result.score)} of {number(result.max_score)}"
    for stop in stops(result):
        for part in stopped(stop):
            yield _shown(part)
    yield f"\n{verdict(result)} Candidate {_code(result.candidate.name)}."
    if result.remaining_bugs is not None:
        yield f"\nKnown bugs still in: {', '.join(map(_code, result.remaining_bugs)) or 'none'}."
    if hidden := withheld(result):
        yield f"\n{hidden}"
    if result.items:
        yield "\n| Item | Status | Points | Why |\n| --- | --- | ---: | --- |"
        yield from map(_row, result.items)
    for item in result.items if result.has_checks else ():
        if not is_full(item) and not waits_for_the_code(item):
            yield from _details(item, limit)
    if result.followups:
        yield f"\n### Follow-up questions\n\nBeside the {number(result.max_score)} points, not part of them."
        yield "\n| Question | Status | Points | Why |\n| --- | --- | ---: | --- |"
        yield from map(_row, result.followups)
    yield from _footer(result)


def _row(item: ItemResult | FollowUp) -> str:
    label = STATUS[item.status]
    score = f"{number(item.score)} of {number(item.max_score)}"
    return f"| {_text(item.title)} | {label.symbol} {label.word} | {score} | {_reason(item)} |"


def _reason(item: ItemResult | FollowUp) -> str:
    check = first_failing(item)
    if waits_for_the_code(item):
        return _text(item.summary)
    if check is None or is_full(item):
        return ""
    if is_right_but_for_bits(item):
        return f"Right, but not bit for bit: {_code(reason(check))}"
    return f"{_text(check.title)} {_code(reason(check))}"


def _details(item: ItemResult, limit: int) -> Iterator[str]:
    label = STATUS[item.status]
    score = f"{number(item.score)} of {number(item.max_score)}"
    yield f"\n<details>\n<summary>{label.symbol} {_text(item.title)}: {score}</summary>\n\n{_code(item.summary)}"
    if item.status is Status.NOT_JUDGED:
        yield "\nThis is no zero: the grader or its machine failed, and the points are in neither sum."
    for check in telling(item):
        yield f"\n**{_text(headline(check))}** · {points(check)}"
        for part in evidence(check, limit):
            yield _shown(part)
    yield "\n</details>"


def _shown(part: Part) -> str:
    match part.kind:
        case Kind.OURS:
            return f"\n{part.label}: {_text(part.text)}"
        case Kind.QUOTED:
            return f"\n{part.label}: {_code(part.text)}"
        case Kind.CODE:
            # An HTML block: it ends at </pre>, which no escaped text can hold, and blank lines do not end it.
            return f"\n{part.label}:\n\n<pre><code>{html.escape(part.text, quote=False).rstrip()}</code></pre>"


def _footer(result: Result) -> Iterator[str]:
    environment = result.environment
    seed = "" if environment.seed is None else f", seed {environment.seed}"
    grader, torch = _text(environment.grader), _text(environment.torch)
    yield f"\n<sub>grader {grader}, PyTorch {torch}, {number(result.seconds)} s{seed}; for the {result.audience}</sub>"


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>" if text else ""


def _text(text: str) -> str:
    """On one line, with what Markdown or HTML would act on as references."""
    return _ACTIVE.sub(lambda found: _reference(found.group()), line(text))


def _reference(character: str) -> str:
    # GitHub looks for @names and #numbers once the references are resolved: a comment keeps them apart.
    return f"&#{ord(character)};" + ("<!-- -->" if character in "@#" else "")
