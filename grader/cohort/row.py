"""One candidate of a cohort, as the page about all of them shows it, and beside what it was in an earlier round."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from grader.cohort.store import stored_results
from grader.errors import UsageError
from grader.report.verdict import DOES_NOT_RUN, stops
from grader.result.record import FollowUp, ItemResult, Result, Status, Timeline

MOST_NOTES: Final = 2  # of a submission that was graded; the report has all of them
# What a platform puts around a person's name, with a number that is another one in the next assignment.
_NUMBERED: Final = re.compile(r"(?P<moodle>.+)_\d+|(?P<gradescope>.+) \(submission_\d+\)", re.DOTALL)


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


def _cells(parts: Sequence[ItemResult | FollowUp]) -> dict[str, Cell]:
    return {part.id: Cell(part.status, part.score, part.max_score) for part in parts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The round before, as it lies beside this one.

    Attributes:
        was: what each candidate had then, by this round's folder.
        new: the folders of those that had nothing graded then.
        gone: those graded then that are not here now.
        unclear: the folders of those that more than one of the others could be: they count as new.
    """

    was: Mapping[str, Row]
    new: tuple[str, ...]
    gone: tuple[Row, ...]
    unclear: tuple[str, ...]

    def change(self, row: Row) -> float | None:
        """The points that a candidate has more than before; None where one of the two has none."""
        was = self.was.get(row.folder)
        if was is None or was.score is None or row.score is None:
            return None
        return round(row.score - was.score, 2)

    def item_change(self, row: Row, id: str) -> float | None:
        """The same of one item or follow-up; None too where it was not asked in both rounds."""
        was = self.was.get(row.folder)
        if was is None:
            return None
        now, then = (each.cells.get(id) or each.followups.get(id) for each in (row, was))
        return round(now.score - then.score, 2) if now is not None and then is not None else None


def read_round(directory: Path, exercise: str) -> tuple[Row, ...]:
    """The candidates that were graded in an earlier cohort on the exercise of that id.

    Raises:
        UsageError: there is no cohort in ``directory``, a result in it cannot be read, or is about another exercise.
    """
    shown = repr(str(directory))
    rows = []
    for folder, result in stored_results(directory):
        if result.exercise.id != exercise:
            raise UsageError(
                f"the cohort in {shown} is about the exercise {result.exercise.id!r}, and this one about {exercise!r}; "
                "expected two rounds of one exercise"
            )
        rows.append(Row.of(folder, result.candidate.name, result, ""))
    if not rows:
        raise UsageError(f"nothing was graded in the cohort in {shown}; expected one to show beside this one")
    return tuple(rows)


def beside(earlier: Sequence[Row], rows: Sequence[Row], people: Mapping[str, str]) -> Before:
    """Match the candidates of this round with those of an earlier one: by folder, else by person.

    A person is matched only where no one else in either round has that name: nothing is guessed.

    Args:
        people: by this round's folder, the person's name where a platform says one, without its number.
    """
    by_folder = {row.folder: row for row in earlier}
    was = {row.folder: by_folder[row.folder] for row in rows if row.folder in by_folder}
    left = [row for row in earlier if row.folder not in was]
    asking = {row.folder: people.get(row.folder) or row.title for row in rows if row.folder not in was}
    called = Counter(asking.values())
    named: dict[str, list[Row]] = {}
    for row in left:
        for name in _names(row.title):
            named.setdefault(name, []).append(row)
    taken = {row.folder for row in was.values()}
    unclear = []
    for folder, name in asking.items():
        found = [row for row in named.get(name, []) if row.folder not in taken]
        if len(found) == 1 and called[name] == 1:
            was[folder] = found[0]
            taken.add(found[0].folder)
        elif found:
            unclear.append(folder)
    return Before(
        was=was,
        new=tuple(row.folder for row in rows if row.folder not in was),
        gone=tuple(row for row in earlier if row.folder not in taken),
        unclear=tuple(unclear),
    )


def _names(title: str) -> set[str]:
    """What a person may be called who had that title: the title itself, and what it is without a platform's number."""
    found = _NUMBERED.fullmatch(title)
    return {title, found["moodle"] or found["gradescope"]} if found else {title}
