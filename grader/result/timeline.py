"""How a submission came about, as the history of its workspace tells it, and what became of its files.

None of it decides a point.
"""

from enum import StrEnum

import msgspec

from grader.result.hidden import Frozen


class FileChange(Frozen, frozen=True, kw_only=True):
    """What became of one file of the starter, or of a file that is new."""

    file: str
    lines_before: int | None  # in the starter; None for a file that is new
    lines_after: int | None  # None for one that is gone
    added: int
    removed: int
    diff: str  # unified, without the two lines that name the file
    left_out: int = 0  # lines of the diff, where it is too long to be kept whole


class EventKind(StrEnum):
    """What a workspace keeps in its history beside its start."""

    GRADED = "graded"
    HINT = "hint"


class TimelineEvent(Frozen, frozen=True, kw_only=True):
    """One grade, or one hint."""

    kind: EventKind
    at: str  # UTC, as 2026-11-29T19:04:10Z
    minute: float  # since the timeline's first entry
    item: str = ""  # of a hint
    number: int = 0  # of a hint: 1 for the first
    score: float = 0.0
    max_score: float = 0.0
    found: tuple[str, ...] = ()  # items that have all their points, and had not in any grade before
    lost: tuple[str, ...] = ()  # items that had all their points in the grade before, and have not any more
    stopped: bool = False  # whether the code did not run
    by: str = ""  # the command that graded: "grade", "watch" or "mcp"
    sha256: str = ""  # of the files that were graded
    changes: tuple[FileChange, ...] = ()  # since the grade before, or since the start
    left_out: int = 0  # diffs of changes, where all of them together are too long


class ItemStory(Frozen, frozen=True, kw_only=True):
    """One item over the timeline."""

    id: str
    found_at: str | None = None  # when it first had all its points; None where it never had
    minute: float | None = None  # since the timeline's first entry
    grades: int = 0  # until then, that one included; all of them where it never had
    hints: int = 0  # shown until then; all of them where it never had


class Timeline(Frozen, frozen=True, kw_only=True):
    """The history of a workspace, up to the grade that this is part of."""

    started_at: str
    last_at: str
    minutes: int | None = None  # that the clock was set to; None where it was not
    grades: int = 0
    hints: dict[str, int] = msgspec.field(default_factory=dict)  # shown, by item
    items: tuple[ItemStory, ...] = ()
    events: tuple[TimelineEvent, ...] = ()
    left_out: int = 0  # events, the oldest, where there are too many
    first: str = ""  # SHA-256 of the history's first line
    head: str = ""  # that of its last line, which stands for all of them
    without_start: bool = False  # an earlier history was deleted, or there was none from the start on
    troubles: tuple[str, ...] = ()  # what does not hold together; empty where the chain is whole
