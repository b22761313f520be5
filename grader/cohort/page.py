"""A cohort as one self-contained page: readable without its script, which only sorts and filters."""

import statistics
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from grader.cohort.summary import BINS, Row, Summary
from grader.files.printable import one_line
from grader.report import words
from grader.report.content_policy import content_policy
from grader.result.record import Status

MAX_TITLE: Final = 120  # characters of a name
MOST_PAIRS: Final = 200
# From what a candidate is shown as having most of to least, and what a cell of the heat map is sorted by.
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


def render_index(summary: Summary) -> str:
    """The page: one file, nothing loaded, and no script but the one whose hash its policy names."""
    scores = [row.score for row in summary.graded if row.score is not None]
    return _template().render(
        summary=summary,
        median=statistics.median(scores) if scores else None,
        full=sum(row.score == row.max_score for row in summary.graded),
        highest=max(summary.histogram, default=0) or 1,
        titles={folder: _brief(name) for folder, name in summary.names.items()},
        most_pairs=MOST_PAIRS,
    )


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    stylesheet = "".join(
        file.read_text(encoding="utf-8") for file in (folder.parent / "report" / "report.css", folder / "index.css")
    )
    script = (folder / "index.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=words.number, brief=_brief)
    environment.globals.update(
        stylesheet=stylesheet,
        script=script,
        policy=content_policy(stylesheet, script),
        label=words.STATUS,
        statuses=_ORDER,
        bins=BINS,
        share=words.share,
        report=_report,
    )
    return environment.get_template("index.html.jinja")


def _report(row: Row) -> str:
    """Where a candidate's report lies, seen from the page."""
    return f"candidates/{quote(row.folder)}/report.html"


def _brief(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1]}…"
