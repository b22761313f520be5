"""The history of a workspace: when it was started, graded and hinted at, as lines of JSON in a chain; and the timeline
that it tells: what was found when, after how many grades, and with which hints.

::

    {"what":"started","at":"2026-11-29T19:00:00Z","previous":"","minutes":90,...}
    {"what":"graded","at":"2026-11-29T19:04:10Z","previous":"3f0c...","score":15.0,...}
    {"what":"hint","at":"2026-11-29T19:05:02Z","previous":"a91e...","item":"masking","number":1}

``previous`` is the SHA-256 of the line before, without its end. So a line that was changed, taken out or put in shows,
unless all lines after it were made anew: the file is its owner's, and holds no secret of anybody else's. What is read
here may be a stranger's, and every size in it has a limit.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from grader.files.read_untrusted import Folder, Refused
from grader.limits import (
    HISTORY_LINE_MAX_BYTES,
    HISTORY_MAX_BYTES,
    HISTORY_MAX_LINES,
    TIMELINE_DIFFS_MAX_CHARACTERS,
    TIMELINE_MAX_EVENTS,
    TIMELINE_MAX_ITEMS,
)
from grader.result.record import EventKind, FileChange, ItemStory, Timeline, TimelineEvent

FILE: Final = ".grader-history.jsonl"
MOST_TROUBLES: Final = 20

Id = Annotated[str, Meta(max_length=80)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Points = Annotated[float, Meta(ge=0, le=1_000_000)]
Hash = Annotated[str, Meta(max_length=64)]


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What became of one file since the grade before, or since the start; as in a result."""

    file: Annotated[str, Meta(max_length=255)]
    lines_before: Count | None
    lines_after: Count | None
    added: Count
    removed: Count
    diff: Annotated[str, Meta(max_length=40_000)] = ""
    left_out: Count = 0


class ItemScore(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item or a follow-up in one grade."""

    status: Id
    score: Points
    max_score: Points


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="what"):
    """What all lines have."""

    at: datetime
    previous: Hash = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a time without a time zone")


class Started(Entry, tag="started", kw_only=True, frozen=True):
    """The workspace was made."""

    nonce: Hash  # drawn, so that no two workspaces begin with one hash
    exercise: Id
    starter: Hash  # SHA-256 of the code that it was started with
    minutes: Annotated[int, Meta(ge=1, le=100_000)] | None = None


class Graded(Entry, tag="graded", kw_only=True, frozen=True):
    """The files were graded."""

    by: Id  # "grade", "watch" or "mcp"
    sha256: Hash  # of the files
    score: Points
    max_score: Points
    items: Annotated[dict[Id, ItemScore], Meta(max_length=64)]
    stopped: bool = False  # whether the code did not run
    changes: Annotated[tuple[Change, ...], Meta(max_length=64)] = ()


class Hinted(Entry, tag="hint", kw_only=True, frozen=True):
    """A hint was shown."""

    item: Id
    number: Annotated[int, Meta(ge=1, le=100)]


Line = Started | Graded | Hinted

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)


class History(Struct, frozen=True, kw_only=True):
    """All lines that could be read.

    Attributes:
        first: the hash of the first line; empty where there is none.
        head: that of the last one, which stands for all of them.
        without_start: whether it begins with a grade or a hint, and comes after no other line: a history that was
            deleted goes on like this, and one of a folder that no command has made.
        troubles: what does not hold together, in words; empty for a chain that is whole.
    """

    lines: tuple[Line, ...] = ()
    first: str = ""
    head: str = ""
    without_start: bool = False
    troubles: tuple[str, ...] = ()


def now() -> datetime:
    """The time as it is written: UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def text_of(at: datetime) -> str:
    """A time as results have it: 2026-11-29T19:04:10Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode(line: Line) -> bytes:
    """One line, with its end."""
    return _encoder.encode(line) + b"\n"


def hash_of(line: bytes) -> str:
    """SHA-256 of a line without its end, in hexadecimal: what the next one says that it comes after."""
    return hashlib.sha256(line).hexdigest()


def last_hash(data: bytes) -> str:
    """The hash of the last line, whatever it holds; empty where there is none."""
    lines = data.splitlines()
    return hash_of(lines[-1]) if lines else ""


def parse(data: bytes) -> History:
    """The lines, and whether each comes after the one before. Anything may be in ``data``."""
    lines: list[Line] = []
    troubles: list[str] = []
    previous = first = ""
    raws = data.splitlines()
    for number, raw in enumerate(raws[:HISTORY_MAX_LINES], 1):
        found = hash_of(raw)
        first = first or found
        try:
            line = _decoder.decode(raw) if len(raw) <= HISTORY_LINE_MAX_BYTES else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            line = None
        if line is None:
            troubles.append(f"line {number} cannot be read")
        else:
            troubles += _troubles(number, line, previous, lines[-1] if lines else None)
            lines.append(line)
        previous = found
    if len(raws) > HISTORY_MAX_LINES:
        troubles.append(f"of {len(raws)} lines, the first {HISTORY_MAX_LINES} were read")
    if (more := len(troubles) - MOST_TROUBLES) > 0:
        troubles[MOST_TROUBLES:] = [f"and {more} more like these"]
    return History(
        lines=tuple(lines),
        first=first,
        head=last_hash(data),
        without_start=bool(lines) and _begins_anew(lines[0]),
        troubles=tuple(troubles),
    )


def _troubles(number: int, line: Line, previous: str, before: Line | None) -> list[str]:
    found = []
    if line.previous != previous:
        found.append(f"line {number} does not follow the line before it: something was changed, taken out or put in")
    if number > 1 and isinstance(line, Started):
        found.append(f"line {number} starts the workspace once more")
    if number == 1 and not isinstance(line, Started) and not _begins_anew(line):
        found.append("it does not begin with a start")
    if before is not None and line.at < before.at:
        found.append(f"the time goes back at line {number}")
    return found


def _begins_anew(first: Line) -> bool:
    """Whether a first line is no start and follows none: no line was taken out before it."""
    return not isinstance(first, Started) and not first.previous


def read_history(folder: Folder) -> bytes:
    """The history's bytes as they lie in a folder; none where there is no such file, or it is nothing to read."""
    try:
        data = folder.read(FILE, HISTORY_MAX_BYTES + 1)
    except (FileNotFoundError, Refused):
        return b""
    return data if len(data) <= HISTORY_MAX_BYTES else b""


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
        without_start=read.without_start,
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
