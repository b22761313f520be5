"""The lessons of an exercise as one self-contained HTML file, in the dress of the report."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

import grader.report
from grader.files.printable import printable
from grader.report.diff_lines import diff_lines
from grader.report.words import STATUS
from grader.review.lessons import Lessons
from grader.review.review_text import HEADINGS, REWRITTEN

_CODE: Final = re.compile(r"`([^`]+)`")
_MOST: Final = 40_000  # characters of one diff


def render_review_page(lessons: Lessons) -> str:
    """One file, no script, nothing loaded."""
    stylesheet = (Path(grader.report.__file__).parent / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(stylesheet.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("grader.review", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    return environment.get_template("review.html.jinja").render(
        lessons=lessons,
        stylesheet=stylesheet,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        headings=HEADINGS,
        rewritten=REWRITTEN,
        status=STATUS,
        diff_lines=lambda diff: diff_lines(diff, _MOST),
    )


def _prose(text: str) -> Markup:
    """A paragraph in which what stands between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(printable(text)))))
