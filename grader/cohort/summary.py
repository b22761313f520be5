"""All candidates of a cohort side by side, as data, and what their results say about the items.

How easy an item was, and whether it tells strong from weak, are the two figures of classical test theory: facility (the
item's mean share of its points) and discrimination (the corrected item-total correlation).
"""

import hashlib
import math
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from grader.cohort.row import Before, Cell, Row
from grader.cohort.similarity import Group, Pair, groups
from grader.files.printable import one_line
from grader.result.record import Status

BINS: Final = 10  # of the histogram, over the whole range of points
RIGHT: Final = (Status.FIXED, Status.BUILT)
LONGEST: Final = 100  # characters of a name beside a hash; a page cuts later
_WITH_A_HASH: Final = re.compile("~[0-9a-f]{12}$")
UNJUDGED: Final = (Status.WAITS, Status.NOT_JUDGED)  # neither right nor wrong: not judged
FEWEST: Final = 10  # candidates that a discrimination is given for; below, one of them can turn its sign
STEADY: Final = 30  # candidates from which on it hardly moves with one more
WELL, SOME = 0.4, 0.2  # correlations: the usual bounds (Ebel), above which an item tells well, or to some extent


@dataclass(frozen=True)
class Summary:
    """A whole cohort.

    Attributes:
        exercise: its title.
        items: ids and titles, in the rubric's order.
        rows: by the candidates' names.
        pairs: submissions that are nearly the same.
        followups: ids and titles of those that were asked.
        begun_at: when the cohort was begun; UTC, as 2026-11-29T19:04:10Z; None where that was not noted.
        before: the round before; None where none was named.
    """

    exercise: str
    items: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    followups: tuple[tuple[str, str], ...] = ()
    begun_at: str | None = None
    before: Before | None = None

    @cached_property
    def graded(self) -> tuple[Row, ...]:
        """Those that have a result."""
        return tuple(row for row in self.rows if row.graded)

    @cached_property
    def ranked(self) -> tuple[Row, ...]:
        """From the most points to the fewest, follow-ups deciding between equals; last those without any verdict."""

        def place(row: Row) -> tuple[float, float, str]:
            return (-row.score if row.score is not None else math.inf, -row.extra, self.names[row.folder].casefold())

        return tuple(sorted(self.rows, key=place))

    @cached_property
    def begun(self) -> tuple[tuple[str, str], ...]:
        """The follow-ups that somebody has begun: what no one has begun needs no column."""
        untouched = (Status.NOT_BUILT, Status.WAITS)
        return tuple(
            (id, title)
            for id, title in self.followups
            if any(cell.status not in untouched for row in self.rows if (cell := row.followups.get(id)) is not None)
        )

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Those that are nearly the same, as groups."""
        return groups(self.pairs)

    @cached_property
    def group_of(self) -> dict[str, int]:
        """The number of each candidate's group, the first being 1; without those that are in none."""
        return {folder: number for number, group in enumerate(self.groups, 1) for folder in group.members}

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
        """How many candidates each status was given, by item and by follow-up."""
        found: dict[str, Counter[Status]] = {id: Counter() for id, _ in self.items + self.followups}
        for row in self.graded:
            for id, cell in (*row.cells.items(), *row.followups.items()):
                if id in found:
                    found[id][cell.status] += 1
        return found

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFigures:
    """One item, or follow-up, over all candidates.

    Attributes:
        judged: candidates that could be judged on it; the figures are theirs alone.
        left_out: graded candidates that could not: it waited for something else, or the machine failed.
        facility: the mean share of its points, 0 to 1; None where no candidate was judged.
        discrimination: Pearson's correlation of the share of its points with that of all other items, -1 to 1; None
            where ``meaning`` says why there is none.
        meaning: of the discrimination, in plain words.
    """

    id: str
    title: str
    judged: int
    left_out: int
    facility: float | None
    discrimination: float | None
    meaning: str


def item_figures(rows: Sequence[Row], items: Sequence[tuple[str, str]]) -> tuple[ItemFigures, ...]:
    """The figures of each of ``items``, by id and title; ids of follow-ups may be among them."""
    graded = [row for row in rows if row.graded]
    return tuple(_figures(graded, id, title) for id, title in items)


def _figures(graded: Sequence[Row], id: str, title: str) -> ItemFigures:
    asked = [(row, cell) for row in graded if (cell := row.cells.get(id) or row.followups.get(id)) is not None]
    judged = [(row, cell) for row, cell in asked if cell.status not in UNJUDGED and cell.max_score]
    shares = [cell.score / cell.max_score for _, cell in judged]
    discrimination, meaning = _discrimination(list(_against_the_rest(judged, id)))
    return ItemFigures(
        id=id,
        title=title,
        judged=len(judged),
        left_out=len(asked) - len(judged),
        facility=statistics.fmean(shares) if shares else None,
        discrimination=discrimination,
        meaning=meaning,
    )


def _against_the_rest(judged: Sequence[tuple[Row, Cell]], id: str) -> Iterator[tuple[float, float]]:
    """Of each candidate, the share of the item's points and that of the other items', without the item itself."""
    for row, cell in judged:
        others = [other for name, other in row.cells.items() if name != id and other.status not in UNJUDGED]
        most = sum(other.max_score for other in others)
        if most:
            yield cell.score / cell.max_score, sum(other.score for other in others) / most


def _discrimination(pairs: Sequence[tuple[float, float]]) -> tuple[float | None, str]:
    if len(pairs) < FEWEST:
        return None, f"fewer than {FEWEST} judged: too few to say"
    own, rest = zip(*pairs, strict=True)
    if len(set(own)) == 1:
        return None, "all have the same points on it"
    if len(set(rest)) == 1:
        return None, "all have the same points on the other items"
    found = statistics.correlation(own, rest)
    return found, _meaning(found) + (f"; fewer than {STEADY} judged: take it as a rough figure" * (len(pairs) < STEADY))


def _meaning(correlation: float) -> str:
    if correlation >= WELL:
        return "who has it right is strong in the rest too"
    if correlation >= SOME:
        return "tells strong from weak to some extent"
    if correlation > -SOME:
        return "hardly tells strong from weak"
    return "who is strong in the rest has it wrong: look at the item"
