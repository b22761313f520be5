"""The lessons of an exercise as something to read: text for a terminal, or one file in the dress of the report."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grader.report
from grader.files.printable import one_line, printable
from grader.report.page_parts import content_policy, diff_lines
from grader.report.words import STATUS
from grader.result.record import Status
from grader.review.lessons import Answer, BugLesson, Lessons

if TYPE_CHECKING:
    from markupsafe import Markup

HEADINGS: Final = {"Symptom": "How it shows"}
"""What a heading of a story is called for a reader of it."""

REWRITTEN: Final = "What was rewritten around it, and computes the same"
"""What stands above the refactoring that a bug came with."""

_WIDTH: Final = 80
_CODE: Final = re.compile(r"`([^`]+)`")
_MOST: Final = 40_000  # characters of one diff


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


def render_review_page(lessons: Lessons) -> str:
    """The lessons as a page: one file, no script, nothing loaded."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    stylesheet = (Path(grader.report.__file__).parent / "report.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("grader.review", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    return environment.get_template("review.html.jinja").render(
        lessons=lessons,
        stylesheet=stylesheet,
        policy=content_policy(stylesheet),
        headings=HEADINGS,
        rewritten=REWRITTEN,
        status=STATUS,
        diff_lines=lambda diff: diff_lines(diff, _MOST),
    )


def _prose(text: str) -> "Markup":
    """A paragraph in which what stands between backticks is code."""
    from markupsafe import Markup, escape

    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(printable(text)))))
