"""A result as something to read: a page, or a table for a terminal. Data in, text out."""

from grader.record import Result
from grader.report.text import render_text

__all__ = ["render_html", "render_text"]


def render_html(result: Result) -> str:
    """The report: one self-contained file, below a megabyte."""
    # Imported when it is asked for: the words of this package are also those of formats that need no templates.
    from grader.report import html

    return html.render_html(result)
