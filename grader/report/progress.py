"""What is being done, on stderr."""

import sys
from typing import Final

from grader.files.printable import one_line

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
