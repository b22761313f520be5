"""A result as something to read: a page, or a table for a terminal. Data in, text out."""

from grader.report.text import render_text
from grader.result.record import Result

__all__ = ["render_html", "render_text"]


def render_html(result: Result, *, back: str = "", so_far: bool = False) -> str:
    """The report: one self-contained file, below a megabyte.

    Args:
        back: the address of the page of all candidates, for a report that lies beside it; empty for any other.
        so_far: whether the submission's own models and runs are still being compared with the solution's.
    """
    # Imported when it is asked for: the words of this package are also those of formats that need no templates.
    from grader.report import html

    return html.render_html(result, back=back, so_far=so_far)
