"""A unified diff as lines to show, each with what it is."""

from itertools import accumulate
from typing import NamedTuple

_KINDS = {"@": "place", "+": "added", "-": "removed", " ": "same"}


class Line(NamedTuple):
    """One line; its sign is part of the text, so that colour is not all there is."""

    kind: str  # "place", "added", "removed" or "same"
    text: str


class Shown(NamedTuple):
    """What is shown of a diff, and how many lines are not."""

    lines: list[Line]
    left_out: int


def diff_lines(diff: str, limit: int) -> Shown:
    """The lines of a diff, as many as fit into about ``limit`` characters. What is no diff stays as it is."""
    lines = diff.splitlines() if diff.startswith("@@ ") else [f" {diff}"]
    sizes = accumulate(len(line) + 20 for line in lines)  # with the markup around it
    kept = [_line(line) for line, size in zip(lines, sizes, strict=True) if size <= limit or line is lines[0]]
    return Shown(kept, len(lines) - len(kept))


def _line(line: str) -> Line:
    kind = _KINDS.get(line[:1], "same")
    return Line(kind, _place(line) if kind == "place" else line)


def _place(header: str) -> str:
    """``@@ -41,7 +41,7 @@`` in words: where the lines that follow stand in the new file."""
    new = header.partition(" +")[2].partition(" ")[0]
    return f"from line {new.partition(',')[0]}"
