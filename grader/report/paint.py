"""Colours for a terminal that wants them. They repeat what words and symbols say already."""

import os
from collections.abc import Callable
from typing import Final, TextIO

Paint = Callable[[str, str], str]
"""``paint(text, tone)``: the text in the colour of a tone."""

_CODES: Final = {"good": "32", "part": "33", "bad": "31", "wait": "35", "open": "36"}


def plain(text: str, tone: str) -> str:
    """The text as it is."""
    return text


def coloured(text: str, tone: str) -> str:
    """The text in one of the eight colours that every terminal has and its owner has chosen."""
    return f"\x1b[{_CODES[tone]}m{text}\x1b[0m"


def paint_for(stream: TextIO) -> Paint:
    """Colours if ``stream`` is a terminal, unless NO_COLOR (https://no-color.org) or a dumb terminal forbids them."""
    forbidden = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return coloured if stream.isatty() and not forbidden else plain
