"""What a terminal can show: colours, columns as wide as they are, and on stderr one line on what is being done."""

import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, TextIO

from grader.files.printable import one_line

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


ELLIPSIS = "…"


def width(text: str) -> int:
    """How many columns the text takes."""
    return sum(map(_width, text))


def clip(text: str, columns: int) -> str:
    """The text, cut to fit, with an ellipsis where something is left out."""
    return text if width(text) <= columns else _head(text, columns - 1) + ELLIPSIS


def pad(text: str, columns: int) -> str:
    """The text, cut or filled to exactly that many columns."""
    clipped = clip(text, columns)
    return clipped + " " * (columns - width(clipped))


def wrap(text: str, columns: int, lines: int) -> list[str]:
    """The text in at most so many lines; the last one says by an ellipsis when there was more."""
    wrapped = _fill(text, columns)
    kept = list(islice(wrapped, lines))
    if kept and next(wrapped, None) is not None:
        kept[-1] = clip(kept[-1] + ELLIPSIS, columns)
    return kept


def _fill(text: str, columns: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and width(line) + 1 + width(word) <= columns:
            line += " " + word
            continue
        if line:
            yield line
        while width(word) > columns:
            head = _head(word, columns)
            yield head
            word = word[len(head) :]
        line = word
    if line:
        yield line


def _head(text: str, columns: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += _width(character)
        if used > columns:
            return text[:index]
    return text


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


BAR: Final = 24  # characters of the bar that shows how much is done
COLUMNS: Final = 79  # of a line that is rewritten: what is wrapped is not cleared


class Progress:
    """One line that is rewritten on a terminal, a line each elsewhere. Leaving it clears the line."""

    def __call__(self, text: str) -> None:
        """Say what is being done now."""
        text = one_line(text)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{text}")
        else:
            sys.stderr.write(f"grader: {text}\n")
        sys.stderr.flush()

    def counted(self, number: int, of: int, text: str, left: str) -> None:
        """Say that ``number`` are done: ``text`` is about the last of them, ``left`` how long the others may take."""
        if sys.stderr.isatty():
            full = BAR * number // of
            bar = "#" * full + "." * (BAR - full)
            self(f"[{bar}] {number}/{of}{left and f', {left}'} | {one_line(text)}"[:COLUMNS])
        else:
            self(f"[{number}/{of}] {text}{left and f'; {left}'}")

    def note(self, text: str) -> None:
        """Say something that stays."""
        self.clear()
        sys.stderr.write(f"grader: {one_line(text)}\n")
        sys.stderr.flush()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Make room for what is printed next."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
