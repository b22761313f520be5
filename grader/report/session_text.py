"""The history of a workspace, for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Final

from grader.files.printable import one_line
from grader.report import columns
from grader.report.session_words import HONEST, chain, found, summary, told
from grader.result.record import Session

WIDTH: Final = 80


def render_session(session: Session, titles: Mapping[str, str]) -> str:
    """How often and how long, each item, each event, and whether it all holds together; at most 80 columns.

    Args:
        titles: of items, by id; an item that is not there is shown by its id.
    """
    return "".join(f"{line}\n" for line in _lines(session, {id: one_line(title) for id, title in titles.items()}))


def _lines(session: Session, titles: Mapping[str, str]) -> Iterator[str]:
    yield from columns.wrap(one_line(summary(session)), WIDTH, 4)
    yield from columns.wrap(one_line(chain(session)), WIDTH, 4)
    if session.items:
        yield ""
        yield f"  {'Item':40} {'Found':18} {'Grades':>8} {'Hints':>8}"
        yield "  " + "─" * (WIDTH - 2)
    for story in session.items:
        name = columns.pad(one_line(titles.get(story.id, story.id)), 40)
        yield f"  {name} {found(story):18} {story.grades:>8} {story.hints:>8}"
    if session.events:
        yield ""
        yield f"  {'Minute':>6}"
    if session.left_out:
        yield f"          {session.left_out} earlier ones are left out"
    for event in session.events:
        line = told(session, event, titles)
        late = " (after the time)" if line.late else ""
        first, *more = columns.wrap(f"{one_line(line.what)}{late}", WIDTH - 10, 6)
        yield f"  {line.minute:>6}  {first}"
        yield from (f"          {text}" for text in more)
    yield ""
    yield from columns.wrap(HONEST, WIDTH, 6)
