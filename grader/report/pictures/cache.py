"""How the cache grows with what has been read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grader.report.pictures.drawing import DASHES, WIDTHS, draw, ends, plain
from grader.report.pictures.svg import COLOURS
from grader.result.record import CacheExhibit, FlopsExhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_MARKERS = "os^Dv"  # by layer: layers that keep the same lie on one line


def cache_picture(exhibit: CacheExhibit) -> str:
    """Numbers kept by each layer, and what one key and one value for each token make."""
    lengths, expected = list(map(plain, exhibit.lengths)), list(map(plain, exhibit.expected))
    layers = [list(map(plain, layer)) for layer in exhibit.layers]

    def paint(all_axes: Sequence["Axes"]) -> None:
        (axes,) = all_axes
        wide = WIDTHS["reference"]
        axes.plot(lengths, expected, color=COLOURS["reference"], linestyle=DASHES["reference"], linewidth=wide)
        for number, layer in enumerate(layers):
            marker = _MARKERS[number % len(_MARKERS)]
            axes.plot(lengths, layer, color=COLOURS["candidate"], marker=marker, markersize=5)
        axes.set_ylim(bottom=0)
        axes.set(xlabel="tokens read", ylabel="numbers kept by a layer")

    shown = [f"Layer {number}: {ends(layer)}" for number, layer in enumerate(layers) if layer]
    return draw("cache", "Numbers that each layer keeps, by number of tokens read", "; ".join(shown) + ".", paint)


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
