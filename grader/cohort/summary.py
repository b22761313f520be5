"""All candidates of a cohort side by side, as data."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from grader.cohort.similarity import Pair
from grader.files.printable import one_line
from grader.report.verdict import DOES_NOT_RUN, stops
from grader.result.record import Result, Status, Timeline

BINS: Final = 10  # of the histogram, over the whole range of points
RIGHT: Final = (Status.FIXED, Status.BUILT)
UNJUDGED: Final = (Status.WAITS, Status.NOT_JUDGED)  # neither right nor wrong: not judged
MOST_NOTES: Final = 2  # of a submission that was graded; the report has all of them


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one item of one candidate."""

    status: Status
    score: float
    max_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the history of a candidate's workspace tells, in numbers.

    Attributes:
        whole: whether its lines hold together.
    """

    started_at: str
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
            cells={item.id: Cell(item.status, item.score, item.max_score) for item in result.items},
            remaining_bugs=result.remaining_bugs,
            stopped="; ".join(f"{DOES_NOT_RUN}: {stop.headline}" for stop in stops(result)),
            reason="" if result.judged else "some of it could not be judged on this machine",
            notes=result.candidate.notes,
            past=Past.of(result.timeline),
        )

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


@dataclass(frozen=True)
class Summary:
    """A whole cohort.

    Attributes:
        exercise: its title.
        items: ids and titles, in the rubric's order.
        rows: by the candidates' names.
        pairs: submissions that are nearly the same.
    """

    exercise: str
    items: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]

    @cached_property
    def graded(self) -> tuple[Row, ...]:
        """Those that have a result."""
        return tuple(row for row in self.rows if row.graded)

    @cached_property
    def with_past(self) -> tuple[Row, ...]:
        """Those that were handed in with the history of their workspace."""
        return tuple(row for row in self.rows if row.past is not None)

    @cached_property
    def names(self) -> dict[str, str]:
        """What each candidate is called, by its folder: no two of them alike."""
        return told_apart({row.folder: row.title for row in self.rows})

    @cached_property
    def unread(self) -> tuple[Row, ...]:
        """Those in whose hand-ins there was nothing to grade."""
        return tuple(row for row in self.rows if row.unread)

    @cached_property
    def unjudged(self) -> tuple[Row, ...]:
        """Those that were not judged, or not on every item, for a reason that says nothing of them."""
        return tuple(row for row in self.rows if row.reason and not row.unread)

    @cached_property
    def histogram(self) -> tuple[int, ...]:
        """How many candidates have how large a share of the points, from none to all; all of them is the last bin's."""
        shares = [row.score / row.max_score for row in self.graded if row.score is not None and row.max_score]
        counts = Counter(min(int(share * BINS), BINS - 1) for share in shares)
        return tuple(counts[number] for number in range(BINS))

    @cached_property
    def statuses(self) -> dict[str, Counter[Status]]:
        """How many candidates each status was given, by item."""
        return {id: Counter(row.cells[id].status for row in self.graded if id in row.cells) for id, _ in self.items}

    def right(self, item: str) -> int:
        """How many candidates have an item right."""
        return sum(self.statuses[item][status] for status in RIGHT)

    def judged(self, item: str) -> int:
        """How many candidates could be judged on an item."""
        return sum(count for status, count in self.statuses[item].items() if status not in UNJUDGED)

    def like(self, folder: str) -> tuple[Pair, ...]:
        """The pairs that a candidate is one of."""
        return self._pairs_of.get(folder, ())

    @cached_property
    def _pairs_of(self) -> dict[str, tuple[Pair, ...]]:
        found: dict[str, list[Pair]] = {}
        for pair in self.pairs:
            for folder in (pair.first, pair.second):
                found.setdefault(folder, []).append(pair)
        return {folder: tuple(pairs) for folder, pairs in found.items()}


LONGEST: Final = 100  # characters of a name beside a hash; a page cuts later
_WITH_A_HASH: Final = re.compile("~[0-9a-f]{12}$")


def told_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """By folder, the candidate's title; where another looks like it, or could be made to, with a hash behind it.

    The hash is the one of the folder's name. A candidate whose folder is called as the candidate is keeps its title
    whatever others are called: choosing a name neither takes nor changes it.
    """
    shown = {folder: one_line(title) for folder, title in titles.items()}
    looks = Counter(_look(title) for title in shown.values())
    owned = Counter(_look(title) for folder, title in shown.items() if folder == title)

    def name(folder: str, title: str) -> str:
        look = _look(title)
        is_alone = looks[look] == 1 and not _WITH_A_HASH.search(look)
        if is_alone or (folder == title and owned[look] == 1):
            return title
        brief = title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…"
        return f"{brief} ~{_hash(folder)}"

    return {folder: name(folder, title) for folder, title in shown.items()}


def _look(title: str) -> str:
    """What is the same for titles that a reader, a page that cuts them or a spreadsheet may take for each other."""
    plain = unicodedata.normalize("NFKC", title).replace(";", ",").lstrip("'")
    return "".join(plain.split())[:LONGEST]


def _hash(folder: str) -> str:
    """The one that is in the folder's name already, if there is one."""
    _, tilde, given = folder.rpartition("~")
    return given if tilde else hashlib.sha256(folder.encode()).hexdigest()[:12]
