"""A result as something to read: a page, or a table for a terminal. Data in, text out."""

from grader.report.html import render_html
from grader.report.text import render_text

__all__ = ["render_html", "render_text"]
