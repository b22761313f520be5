"""One candidate of a cohort, as the page about all of them shows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote

from grader.report.verdict import DOES_NOT_RUN, stops
from grader.result.record import FollowUp, ItemResult, Result, Status, Timeline

INDEX: Final = "index.html"
MOST_NOTES: Final = 2  # of a submission that was graded; the report has all of them


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one item, or follow-up, of one candidate."""

    status: Status
    score: float
    max_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the history of a candidate's workspace tells, in numbers.

    Attributes:
        last_at: when its last line was written; UTC, as 2026-11-29T19:04:10Z.
        whole: whether its lines hold together.
    """

    started_at: str
    last_at: str
    minutes: float
    grades: int
    hints: int
    whole: bool

    @classmethod
    def of(cls, timeline: Timeline | None) -> Self | None:
        """None where there is no history."""
        if timeline is None:
            return None
        return cls(
            started_at=timeline.started_at,
            last_at=timeline.last_at,
            minutes=max((event.minute for event in timeline.events), default=0.0),
            grades=timeline.grades,
            hints=sum(timeline.hints.values()),
            whole=not timeline.troubles,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One candidate.

    Attributes:
        folder: its name below ``candidates/``.
        reason: why there is no verdict, or none on some item.
        unread: whether that is because of what was handed in, and not because of the machine.
        notes: on what was handed in, where that was graded: what was left out, or taken for something else.
        stopped: why the code does not run; empty where it does.
        past: how it came about; None where it was handed in without the history of its workspace.
    """

    folder: str
    title: str
    sha256: str = ""
    score: float | None = None
    max_score: float | None = None
    cells: dict[str, Cell]
    followups: dict[str, Cell] = field(default_factory=dict)
    remaining_bugs: tuple[str, ...] | None = None
    reason: str = ""
    stopped: str = ""
    unread: bool = False
    notes: tuple[str, ...] = ()
    past: Past | None = None

    @classmethod
    def of_unread(cls, folder: str, title: str, reason: str) -> Self:
        """The row of a candidate whose hand-in holds no submission that can be read."""
        return cls(folder=folder, title=title, cells={}, reason=reason, unread=True)

    @classmethod
    def of(cls, folder: str, title: str, result: Result | None, reason: str) -> Self:
        """The row of one candidate."""
        if result is None:
            return cls(folder=folder, title=title, cells={}, reason=reason)
        return cls(
            folder=folder,
            title=title,
            sha256=result.candidate.sha256,
            score=result.score,
            max_score=result.max_score,
            cells=_cells(result.items),
            followups=_cells(result.followups),
            remaining_bugs=result.remaining_bugs,
            stopped="; ".join(f"{DOES_NOT_RUN}: {stop.headline}" for stop in stops(result)),
            reason="" if result.judged else "some of it could not be judged on this machine",
            notes=result.candidate.notes,
            past=Past.of(result.timeline),
        )

    @property
    def extra(self) -> float:
        """The points of its follow-ups."""
        return sum(cell.score for cell in self.followups.values())

    @property
    def graded(self) -> bool:
        """Whether there is a result, with a report."""
        return self.score is not None

    @property
    def remark(self) -> str:
        """What there is to say of it beside its verdict."""
        if self.unread:
            return f"not graded: {self.reason}"
        more = len(self.notes) - MOST_NOTES
        notes = [*self.notes[:MOST_NOTES], *([f"{more} more notes in the report"] if more > 0 else [])]
        broken = "its history does not hold together" if self.past is not None and not self.past.whole else ""
        return "; ".join([*filter(None, (self.reason, self.stopped, broken)), *notes])


def row_id(folder: str) -> str:
    """The name of a candidate's line on the page of all."""
    return f"c-{folder}"


def way_back(folder: str) -> str:
    """The address of that line, seen from the candidate's report."""
    return f"../../{INDEX}#{quote(row_id(folder))}"


def _cells(parts: Sequence[ItemResult | FollowUp]) -> dict[str, Cell]:
    return {part.id: Cell(part.status, part.score, part.max_score) for part in parts}
