"""What a timeline tells, in words: for a terminal, and for the report."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from grader.report.words import number, when
from grader.result.record import EventKind, FileChange, ItemStory, Timeline, TimelineEvent

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
    if timeline.minutes is None:
        return f"{told}; no clock was set."
    late = sum(event.minute > timeline.minutes for event in timeline.events if event.kind is EventKind.GRADED)
    after = f"; {_counted(late, 'grade')} after that" if late else ""
    return f"{told}; the clock was set to {_counted(timeline.minutes, 'minute')}{after}."


def chain(timeline: Timeline) -> str:
    """Whether the lines hold together, and what stands for them."""
    if timeline.troubles:
        return f"The history does not hold together: {'; '.join(timeline.troubles)}."
    return f"The lines of the history follow each other: from {timeline.first[:16]} to {timeline.head[:16]}."


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
