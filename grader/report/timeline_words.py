"""What a timeline tells, in words: for the report sentence by sentence, and the whole of it for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from grader.files.printable import one_line
from grader.report import terminal
from grader.report.words import number, when
from grader.result.record import EventKind, FileChange, ItemStory, Timeline, TimelineEvent

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


ANEW: Final = (
    "This history begins anew, without the start of the workspace: an earlier one was deleted, or there was none."
)
HONEST: Final = (
    "The history is the learner's own file. It shows a line that was changed, taken out or put in. It does not show a "
    "history that was made anew as a whole, lines cut from its end, a clock that was set, or work and hints outside of "
    "this folder."
)


class Told(NamedTuple):
    """One event in words."""

    minute: str
    what: str
    late: bool  # after the clock's time was up


def summary(timeline: Timeline) -> str:
    """How often and how long, in one sentence."""
    hints = sum(timeline.hints.values())
    last = max((event.minute for event in timeline.events), default=0.0)
    told = f"{_counted(timeline.grades, 'grade')} and {_counted(hints, 'hint')} in {minutes(last)}"
    told += f", from {when(timeline.started_at)} to {when(timeline.last_at)}"
    if timeline.without_start:
        return f"{told}; whether a clock was set is not known."
    if timeline.minutes is None:
        return f"{told}; no clock was set."
    late = sum(event.minute > timeline.minutes for event in timeline.events if event.kind is EventKind.GRADED)
    after = f"; {_counted(late, 'grade')} after that" if late else ""
    return f"{told}; the clock was set to {_counted(timeline.minutes, 'minute')}{after}."


def chain(timeline: Timeline) -> str:
    """Whether the lines hold together, and what stands for them."""
    if timeline.troubles:
        return f"The history does not hold together: {'; '.join(timeline.troubles)}."
    whole = f"The lines of the history follow each other: from {timeline.first[:16]} to {timeline.head[:16]}."
    return f"{ANEW} {whole}" if timeline.without_start else whole


def found(story: ItemStory) -> str:
    """When an item was found."""
    return "not found" if story.minute is None else f"after {minutes(story.minute)}"


def told(timeline: Timeline, event: TimelineEvent, titles: Mapping[str, str]) -> Told:
    """One event: a hint, or a grade with what it found."""
    late = timeline.minutes is not None and event.minute > timeline.minutes
    if event.kind is EventKind.HINT:
        return Told(number(event.minute), f"hint {event.number} for {titles.get(event.item, event.item)}", late)
    return Told(number(event.minute), "; ".join(_graded(event, titles)), late)


def sizes(changes: tuple[FileChange, ...]) -> str:
    """Which files changed, and by how many lines."""
    return ", ".join(f"{change.file} +{change.added} -{change.removed}" for change in changes)


def minutes(value: float) -> str:
    """A span of time: 47 min, or 2 h 5 min."""
    whole = round(value)
    return f"{whole} min" if whole < 120 else f"{whole // 60} h {whole % 60} min"


def _graded(event: TimelineEvent, titles: Mapping[str, str]) -> Iterator[str]:
    yield f"{number(event.score)} of {number(event.max_score)}"
    yield sizes(event.changes) or "no change"
    if event.stopped:
        yield "does not run"
    if event.found:
        yield f"found {', '.join(titles.get(id, id) for id in event.found)}"
    if event.lost:
        yield f"lost {', '.join(titles.get(id, id) for id in event.lost)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
