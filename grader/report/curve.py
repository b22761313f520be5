"""Scores one after the other as a line: where its corners stand in a picture of fixed size."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

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
