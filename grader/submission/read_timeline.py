"""The timeline that a workspace's history tells: what was found when, after how many grades, and with which hints."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from grader.limits import TIMELINE_DIFFS_MAX_CHARACTERS, TIMELINE_MAX_EVENTS, TIMELINE_MAX_ITEMS
from grader.result.record import EventKind, FileChange, ItemStory, Timeline, TimelineEvent
from grader.submission.history import Change, Graded, Hinted, Line, Started, parse, text_of


def timeline_of(history: bytes) -> Timeline | None:
    """What the history tells; None where there is none. Whatever it holds, it keeps nothing from being graded."""
    read = parse(history)
    if not read.lines:
        return None
    start = read.lines[0]
    events = _events(read.lines)
    return Timeline(
        started_at=text_of(start.at),
        last_at=text_of(read.lines[-1].at),
        minutes=start.minutes if isinstance(start, Started) else None,
        grades=sum(event.kind is EventKind.GRADED for event in events),
        hints=_most_hints(read.lines),
        items=tuple(_story(id, read.lines) for id in _ids(read.lines)),
        events=_within(events),
        left_out=max(len(events) - TIMELINE_MAX_EVENTS, 0),
        first=read.first,
        head=read.head,
        troubles=read.troubles,
    )


def _events(lines: Sequence[Line]) -> list[TimelineEvent]:
    begun = lines[0].at
    ever: set[str] = set()
    last: set[str] = set()
    events = []
    for line in lines:
        if isinstance(line, Hinted):
            events.append(
                TimelineEvent(
                    kind=EventKind.HINT,
                    at=text_of(line.at),
                    minute=_minute(begun, line.at),
                    item=line.item,
                    number=line.number,
                )
            )
        elif isinstance(line, Graded):
            full = {id for id in line.items if _is_full(line, id)}
            events.append(
                TimelineEvent(
                    kind=EventKind.GRADED,
                    at=text_of(line.at),
                    minute=_minute(begun, line.at),
                    score=line.score,
                    max_score=line.max_score,
                    found=tuple(id for id in line.items if id in full - ever),
                    lost=tuple(id for id in line.items if id in last - full),
                    stopped=line.stopped,
                    by=line.by,
                    sha256=line.sha256,
                    changes=tuple(map(_change, line.changes)),
                )
            )
            ever |= full
            last = (last - line.items.keys()) | full  # what was not asked for is as it was
    return events


def _within(events: Sequence[TimelineEvent]) -> tuple[TimelineEvent, ...]:
    """The newest events, with as many of their diffs as fit."""
    left = TIMELINE_DIFFS_MAX_CHARACTERS
    kept = []
    for event in events[-TIMELINE_MAX_EVENTS:]:
        size = sum(len(change.diff) for change in event.changes)
        if size > left:
            bare = tuple(replace(change, diff="") for change in event.changes)
            event = replace(event, changes=bare, left_out=sum(bool(change.diff) for change in event.changes))
        else:
            left -= size
        kept.append(event)
    return tuple(kept)


def _story(id: str, lines: Sequence[Line]) -> ItemStory:
    grades = hints = 0
    for line in lines:
        if isinstance(line, Hinted) and line.item == id:
            hints = max(hints, line.number)
        elif isinstance(line, Graded) and id in line.items:
            grades += 1
            if _is_full(line, id):
                minute = _minute(lines[0].at, line.at)
                return ItemStory(id=id, found_at=text_of(line.at), minute=minute, grades=grades, hints=hints)
    return ItemStory(id=id, grades=grades, hints=hints)


def _ids(lines: Sequence[Line]) -> list[str]:
    """All items that were graded or hinted at, in the order of the first grade that has them."""
    graded = (id for line in lines if isinstance(line, Graded) for id in line.items)
    hinted = (line.item for line in lines if isinstance(line, Hinted))
    return list(dict.fromkeys((*graded, *hinted)))[:TIMELINE_MAX_ITEMS]


def _is_full(line: Graded, id: str) -> bool:
    item = line.items[id]
    return item.score >= item.max_score > 0


def _most_hints(lines: Sequence[Line]) -> dict[str, int]:
    """How many hints of each item were shown: the number of the last one."""
    shown: dict[str, int] = {}
    for line in lines:
        if isinstance(line, Hinted) and (line.item in shown or len(shown) < TIMELINE_MAX_ITEMS):
            shown[line.item] = max(shown.get(line.item, 0), line.number)
    return shown


def _change(change: Change) -> FileChange:
    return FileChange(**msgspec.structs.asdict(change))


def _minute(begun: datetime, at: datetime) -> float:
    return round((at - begun).total_seconds() / 60, 1)
