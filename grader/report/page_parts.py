"""What all pages are made of: their content security policy, scores as a curve, and a diff as lines."""

import base64
import hashlib
import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple


def content_policy(stylesheet: str, script: str = "") -> str:
    """The content security policy of a page that holds exactly this style and this script, and loads nothing."""
    runs = f" script-src {_hash(script)};" if script else ""
    return f"default-src 'none'; style-src {_hash(stylesheet)};{runs} base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


WIDTH: Final = 600
HEIGHT: Final = 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 10, 10, 10  # room for the numbers at the side, and for half a dot
MOST_DOTS: Final = 60  # beyond this a line alone is clearer


class Dot(NamedTuple):
    """One score."""

    x: float
    y: float
    label: str


class ScoreCurve(NamedTuple):
    """A line of scores.

    Attributes:
        width: of the picture, in the units of its text, which is 12 high.
        line: its corners, as an SVG polyline takes them.
        dots: one for each score; none where there are too many.
        marks: the heights of none, half and all of the points, with the points.
    """

    width: int
    line: str
    dots: list[Dot]
    marks: list[tuple[float, float]]


def score_curve(scores: Sequence[tuple[str, float]], most: float, width: int = WIDTH) -> ScoreCurve:
    """The line of these scores, each with what is said of it.

    Args:
        most: the points that can be reached; the top of the picture.
    """
    most = most if most > 0 and math.isfinite(most) else 1.0
    step = (width - _LEFT - _RIGHT) / max(len(scores) - 1, 1)
    dots = [
        Dot(round(_LEFT + step * index, 1), _height(score, most), label) for index, (label, score) in enumerate(scores)
    ]
    return ScoreCurve(
        width=width,
        line=" ".join(f"{dot.x:g},{dot.y:g}" for dot in dots),
        dots=dots if len(dots) <= MOST_DOTS else dots[-1:],
        marks=[(_height(points, most), points) for points in (0.0, most / 2, most)],
    )


def _height(score: float, most: float) -> float:
    share = min(max(score / most, 0.0), 1.0) if math.isfinite(score) else 0.0
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


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
