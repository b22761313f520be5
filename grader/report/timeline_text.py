"""The history of a workspace, for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Final

from grader.files.printable import one_line
from grader.report import terminal
from grader.report.timeline_words import HONEST, chain, found, summary, told
from grader.result.record import Timeline

WIDTH: Final = 80


def render_timeline(timeline: Timeline, titles: Mapping[str, str]) -> str:
    """How often and how long, each item, each event, and whether it all holds together; at most 80 terminal.

    Args:
        titles: of items, by id; an item that is not there is shown by its id.
    """
    return "".join(f"{line}\n" for line in _lines(timeline, {id: one_line(title) for id, title in titles.items()}))


def _lines(timeline: Timeline, titles: Mapping[str, str]) -> Iterator[str]:
    yield from terminal.wrap(one_line(summary(timeline)), WIDTH, 4)
    yield from terminal.wrap(one_line(chain(timeline)), WIDTH, 4)
    if timeline.items:
        yield ""
        yield f"  {'Item':40} {'Found':18} {'Grades':>8} {'Hints':>8}"
        yield "  " + "─" * (WIDTH - 2)
    for story in timeline.items:
        name = terminal.pad(one_line(titles.get(story.id, story.id)), 40)
        yield f"  {name} {found(story):18} {story.grades:>8} {story.hints:>8}"
    if timeline.events:
        yield ""
        yield f"  {'Minute':>6}"
    if timeline.left_out:
        yield f"          {timeline.left_out} earlier ones are left out"
    for event in timeline.events:
        line = told(timeline, event, titles)
        late = " (after the time)" if line.late else ""
        first, *more = terminal.wrap(f"{one_line(line.what)}{late}", WIDTH - 10, 6)
        yield f"  {line.minute:>6}  {first}"
        yield from (f"          {text}" for text in more)
    yield ""
    yield from terminal.wrap(HONEST, WIDTH, 6)
