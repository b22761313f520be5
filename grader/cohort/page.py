"""A cohort as one self-contained page: readable without its script, which only sorts and filters."""

import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from grader.cohort.row import Cell, Row
from grader.cohort.store import CANDIDATES, NEAR_COPIES, REPORT, row_id
from grader.cohort.summary import BINS, FEWEST, STEADY, WELL, Summary, item_figures
from grader.files.printable import one_line
from grader.report import words
from grader.report.page_parts import content_policy
from grader.result.record import Status

MAX_TITLE: Final = 120  # characters of a name
MOST_GROUPS: Final = 200
_NONE: Final = "\N{EN DASH}"
DATE_AND_TIME: Final = len("2026-11-29 19:04")
_MINUS: Final = "\N{MINUS SIGN}"
_AMOUNT: Final = "amount"
# From what a candidate is shown as having most of to least, and the order of a filter's choices.
_ORDER: Final = (
    Status.FIXED,
    Status.BUILT,
    Status.PARTLY,
    Status.NOT_FIXED,
    Status.WRONG,
    Status.NOT_BUILT,
    Status.WAITS,
    Status.NOT_JUDGED,
)


def render_index(summary: Summary, compared: frozenset[int] = frozenset()) -> str:
    """The page: one file, nothing loaded, and no script but the one whose hash its policy names.

    Args:
        compared: the numbers of the groups of near copies whose texts another page has side by side.
    """
    scores = [row.score for row in summary.graded if row.score is not None]
    parts = summary.items + summary.begun
    return (
        environment()
        .get_template("index.html.jinja")
        .render(
            summary=summary,
            median=statistics.median(scores) if scores else None,
            full=sum(row.score == row.max_score for row in summary.graded),
            highest=max(summary.histogram, default=0) or 1,
            titles=shown_titles(summary),
            graded={row.folder for row in summary.graded},
            lines=list(_lines(summary)),
            idle=", ".join(title for id, title in summary.followups if (id, title) not in summary.begun),
            most_extra=max((sum(cell.max_score for cell in row.followups.values()) for row in summary.rows), default=0),
            analysis=item_figures(summary.rows, parts),
            given={status for id, _ in parts for status in summary.statuses[id]},
            moves=list(_moves(summary)),
            compared=compared,
        )
    )


def shown_titles(summary: Summary) -> dict[str, str]:
    """What each candidate is called on a page, by its folder."""
    return {folder: _brief(name) for folder, name in summary.names.items()}


class _Line(NamedTuple):
    """One line of the table of candidates.

    Attributes:
        notes: what it can be filtered by beside the statuses of its cells.
        report: where the report lies; empty where there is none.
        cells: the class of each, and its text. A status is a class, so that a cell is no more than an element with a
            text: of ten thousand lines everything more is felt.
        group: of near copies that it belongs to; 0 for none.
    """

    id: str
    title: str
    notes: str
    report: str
    cells: list[tuple[str, str]]
    remark: str
    group: int


def _lines(summary: Summary) -> Iterator[_Line]:
    titles = shown_titles(summary)
    for row in summary.ranked:
        yield _Line(
            id=row_id(row.folder),
            title=titles[row.folder],
            notes=" ".join(_notes(summary, row)),
            report=_report(row.folder) if row.graded else "",
            cells=list(_cells(summary, row)),
            remark=_brief(row.remark),
            group=summary.group_of.get(row.folder, 0),
        )


def _cells(summary: Summary, row: Row) -> Iterator[tuple[str, str]]:
    """Those between the name and the remark, in the order of the columns."""
    before = summary.before
    yield _AMOUNT, _number(row.score)
    if before is not None:
        yield _AMOUNT, _signed(before.change(row)) if row.folder in before.was else "new"
    for id, _ in summary.items:
        yield _cell(row.cells.get(id), before.item_change(row, id) if before is not None else None)
    if summary.followups:
        yield _AMOUNT, _number(row.extra if row.graded else None)
    for id, _ in summary.begun:
        yield _cell(row.followups.get(id), before.item_change(row, id) if before is not None else None)
    if summary.with_past:
        past = row.past
        for value in (past.hints, past.grades, past.minutes) if past is not None else (None,) * 3:
            yield _AMOUNT, _number(value)
        yield "date", past.last_at.replace("T", " ")[:DATE_AND_TIME] if past is not None else _NONE


def _cell(cell: Cell | None, change: float | None) -> tuple[str, str]:
    if cell is None:
        return "absent", _NONE
    points = f" {_number(cell.score)}" if cell.max_score else ""
    return cell.status.value, words.STATUS[cell.status].symbol + points + (f" ({_signed(change)})" if change else "")


@cache
def _number(value: float | None) -> str:
    return _NONE if value is None else words.number(value)


def _signed(points: float | None) -> str:
    """Points gained or lost, with their sign."""
    if points is None:
        return _NONE
    return f"{'+' if points > 0 else _MINUS if points < 0 else '±'}{_number(abs(points))}"


def _notes(summary: Summary, row: Row) -> Iterator[str]:
    """What a line can be filtered by beside the statuses of its items."""
    if row.stopped:
        yield "stopped"
    if row.folder in summary.group_of:
        yield "alike"
    if row.reason:
        yield "unjudged"
    if summary.before is not None:
        change = summary.before.change(row) or 0
        if row.folder not in summary.before.was:
            yield "new"
        elif change:
            yield "better" if change > 0 else "worse"


class _Move(NamedTuple):
    """How many candidates have more of an item's points than before, as many, and fewer."""

    id: str
    title: str
    more: int
    same: int
    fewer: int
    mean: float | None


def _moves(summary: Summary) -> Iterator[_Move]:
    before = summary.before
    if before is None:
        return
    for id, title in summary.items + summary.begun:
        changes = [change for row in summary.rows if (change := before.item_change(row, id)) is not None]
        more, fewer = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
        mean = statistics.fmean(changes) if changes else None
        yield _Move(id, title, more, len(changes) - more - fewer, fewer, mean)


@cache
def environment() -> Environment:
    """The templates of a cohort's pages, with the style and the words that they share."""
    folder = Path(__file__).parent
    stylesheet = "".join(
        file.read_text(encoding="utf-8") for file in (folder.parent / "report" / "report.css", folder / "index.css")
    )
    script = (folder / "index.js").read_text(encoding="utf-8")
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(number=words.number, signed=_signed, brief=_brief)
    made.globals.update(
        stylesheet=stylesheet,
        script=script,
        policy=content_policy(stylesheet, script),
        policy_without_script=content_policy(stylesheet),
        label=words.STATUS,
        statuses=_ORDER,
        bins=BINS,
        most_groups=MOST_GROUPS,
        near_copies=NEAR_COPIES,
        well=WELL,
        fewest=FEWEST,
        steady=STEADY,
        share=words.share,
        when=words.when,
        report=_report,
    )
    return made


def _report(folder: str) -> str:
    """Where a candidate's report lies, seen from the page."""
    return f"{CANDIDATES}/{quote(folder)}/{REPORT}"


def _brief(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1]}…"
