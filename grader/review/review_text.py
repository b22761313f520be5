"""The lessons of an exercise as text for a terminal."""

import textwrap
from collections.abc import Iterator
from typing import Final

from grader.files.printable import one_line
from grader.report.words import STATUS
from grader.result.record import Status
from grader.review.lessons import Answer, BugLesson, Lessons

HEADINGS: Final = {"Symptom": "How it shows"}
"""What a heading of a story is called for a reader of it."""

REWRITTEN: Final = "What was rewritten around it, and computes the same"
"""What stands above the refactoring that a bug came with."""

_WIDTH: Final = 80


def render_review(lessons: Lessons) -> str:
    """All of it, in at most 80 columns but for lines of code."""
    return "".join(f"{line}\n" for line in _lines(lessons))


def _lines(lessons: Lessons) -> Iterator[str]:
    yield one_line(lessons.title)
    yield "What was wrong, and what a good answer says. This shows every solution."
    if lessons.candidate:
        yield f"Beside it, how this one fared: {one_line(lessons.candidate)}"
    for bug in lessons.bugs:
        yield from _bug(bug)
    for heading, answers in (("To build", lessons.extensions), ("Follow-up questions", lessons.followups)):
        if answers:
            yield from _headline(heading)
        for answer in answers:
            yield from _answer(answer)


def _bug(bug: BugLesson) -> Iterator[str]:
    yield from _headline(f"{one_line(bug.title)}{fared(bug.found)}")
    yield from _paragraph(bug.what)
    inside = f", in {bug.function}" if bug.function else ""
    yield from ("", f"Where it was: {bug.file}, line {bug.line} of the starter{inside}", "")
    yield from (f"    {line}".rstrip() for line in shown_lines(bug.diff))
    if bug.rewriting:
        yield from ("", REWRITTEN, "")
        yield from (f"    {line}".rstrip() for line in shown_lines(bug.rewriting))
    for part in bug.story:
        yield from ("", HEADINGS.get(part.heading, part.heading))
        for paragraph in part.paragraphs:
            yield from _paragraph(paragraph)
    if bug.seen_by:
        yield from ("", "What the grade sees of it")
        for title in bug.seen_by:
            yield from textwrap.wrap(title, _WIDTH, initial_indent="- ", subsequent_indent="  ")


def _answer(answer: Answer) -> Iterator[str]:
    yield from ("", f"{one_line(answer.title)}{fared(answer.found)}", "")
    for number, paragraph in enumerate(answer.paragraphs or ("Nothing was written down about a good answer.",)):
        if number:
            yield ""
        yield from _paragraph(paragraph)


def fared(found: Status | None) -> str:
    """How a submission fared with it, as it stands behind a title; nothing without one."""
    return f" ({STATUS[found].word.lower()})" if found is not None else ""


def shown_lines(diff: str) -> list[str]:
    """The lines of a diff without those that say where it stands."""
    return [line for line in diff.splitlines() if not line.startswith("@@ ")]


def _headline(text: str) -> Iterator[str]:
    yield from ("", text, "─" * min(len(text), _WIDTH))


def _paragraph(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, _WIDTH, break_on_hyphens=False)
