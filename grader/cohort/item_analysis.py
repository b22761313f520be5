"""What a class's results say about the items: how easy each was, and whether it tells strong from weak.

The two figures are those of classical test theory: facility (the item's mean share of its points) and discrimination
(the corrected item-total correlation).
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from grader.cohort.row import Cell, Row
from grader.result.record import Status

UNJUDGED: Final = (Status.WAITS, Status.NOT_JUDGED)  # neither right nor wrong: not judged
FEWEST: Final = 10  # candidates that a discrimination is given for; below, one of them can turn its sign
STEADY: Final = 30  # candidates from which on it hardly moves with one more
WELL, SOME = 0.4, 0.2  # correlations: the usual bounds (Ebel), above which an item tells well, or to some extent


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
