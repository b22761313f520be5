"""The curves of a report, drawn by matplotlib as SVG that is part of the page.

Only numbers are drawn, and words of our own: what others named is said by the page, which escapes it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from grader.record import FlopsExhibit, TrainingExhibit
from grader.report.svg import COLOURS, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (5.0, 3.0)  # inches: drawn as small as a narrow screen shows it, so that its text stays readable
_LIMIT = 1e30  # far beyond it the arithmetic of the axes overflows, and a loss may be anything
_DASHES: dict[str, str | tuple[int, tuple[float, ...]]] = {
    "candidate": "solid",
    "reference": (0, (2.5, 1.2)),
    "variant": (0, (0.6, 0.6)),
}
# The wider ones lie below: where the candidate covers another exactly, both are still seen.
_WIDTHS = {"candidate": 1.8, "reference": 3.4, "variant": 4.8}
# Same input, same bytes: nothing is taken from the reader's matplotlibrc, the clock or chance.
# Any: newer matplotlibs know each key by name, older ones any text.
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "grader",
    "font.size": 10.0,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["ink"],
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def loss_figure(exhibit: TrainingExhibit) -> str:
    """The losses of the candidate and its companions, step by step, with the first difference marked."""
    curves = {"candidate": exhibit.candidate, "reference": exhibit.reference, "variant": exhibit.variant}
    drawn = {name: list(map(_plain, curve.losses)) for name, curve in curves.items() if curve is not None}
    difference = exhibit.first_divergence

    def paint(axes: "Axes") -> None:
        for name in reversed(drawn):  # the candidate last, on top
            axes.plot(
                range(len(drawn[name])), drawn[name], COLOURS[name], linestyle=_DASHES[name], linewidth=_WIDTHS[name]
            )
        gaps = [step for step, loss in enumerate(drawn["candidate"]) if math.isnan(loss)]
        # At the upper edge, whatever the scale: there is no height at which a loss that is not a number belongs.
        axes.plot(
            gaps, [1.0] * len(gaps), "x", color=COLOURS["mark"], transform=axes.get_xaxis_transform(), clip_on=False
        )
        if difference is not None and difference.step is not None:
            step = min(difference.step, len(drawn["candidate"]))
            axes.axvline(step, color=COLOURS["mark"], linewidth=1.4, linestyle=(0, (3, 3)))
        if _spread(drawn.values()) > 1000:
            axes.set_yscale("log")
        axes.set(xlabel="training step", ylabel="loss")

    told = [f"{name}: {_ends(losses)}" for name, losses in drawn.items() if losses]
    return _draw("loss", "Loss at each training step", "; ".join(told) + ".", paint)


def flops_figure(exhibit: FlopsExhibit) -> str:
    """The work for one more token, with the cache and without."""
    lengths = list(map(_plain, exhibit.lengths))
    full, cached = list(map(_plain, exhibit.full)), list(map(_plain, exhibit.cached))

    def paint(axes: "Axes") -> None:
        from matplotlib.ticker import EngFormatter

        axes.plot(lengths, full, color=COLOURS["reference"], linestyle=_DASHES["reference"], marker="s", markersize=4)
        axes.plot(lengths, cached, color=COLOURS["candidate"], marker="o", markersize=4)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(EngFormatter(sep=" "))
        axes.set(xlabel="tokens already there", ylabel="operations for one more token")

    told = f"With the cache: {_ends(cached)}; without: {_ends(full)}." if lengths else ""
    return _draw("flops", "Operations for one more token, with the cache and without", told, paint)


def _draw(name: str, title: str, description: str, paint: Callable[["Axes"], None]) -> str:
    # Imported here: it takes half a second, and most of what uses the grader draws nothing.
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        paint(axes)
        drawing = StringIO()
        figure.savefig(drawing, format="svg", transparent=True, metadata={"Date": None})
    return inline(drawing.getvalue(), name=name, title=title, description=description)


def _plain(value: float | None) -> float:
    """A number that can be drawn; a gap where there is none."""
    if value is None or value != value:
        return math.nan
    return float(min(max(value, -_LIMIT), _LIMIT))


def _spread(curves: Iterable[Sequence[float]]) -> float:
    """By what factor the largest differs from the smallest; 1 where a logarithm has no meaning."""
    finite = [value for curve in curves for value in curve if not math.isnan(value)]
    return max(finite) / min(finite) if finite and min(finite) > 0 else 1.0


def _ends(values: Sequence[float]) -> str:
    return f"{values[0]:.4g} at the first point, {values[-1]:.4g} at the last"
