"""The work for one more token, with the cache and without."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grader.report.pictures.drawing import DASHES, draw, ends, plain
from grader.report.pictures.svg import COLOURS
from grader.result.record import FlopsExhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def flops_picture(exhibit: FlopsExhibit) -> str:
    """Operations by number of tokens already there: a level line and a rising one."""
    lengths, full, cached = (list(map(plain, row)) for row in (exhibit.lengths, exhibit.full, exhibit.cached))

    def paint(all_axes: Sequence["Axes"]) -> None:
        from matplotlib.ticker import EngFormatter

        (axes,) = all_axes
        axes.plot(lengths, full, color=COLOURS["reference"], linestyle=DASHES["reference"], marker="s", markersize=4)
        axes.plot(lengths, cached, color=COLOURS["candidate"], marker="o", markersize=4)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(EngFormatter(sep=" "))
        axes.set(xlabel="tokens already there", ylabel="operations for one more token")

    shown = f"With the cache: {ends(cached)}; without: {ends(full)}." if lengths else ""
    return draw("flops", "Operations for one more token, with the cache and without", shown, paint)
