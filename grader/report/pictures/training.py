"""A training run: the loss of each step, and below it the share of tokens that were predicted."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from grader.report.pictures.drawing import DASHES, WIDTHS, draw, ends, plain
from grader.report.pictures.svg import COLOURS
from grader.result.record import Curve, TrainingExhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Curves = Mapping[str, Sequence[float]]


def training_picture(exhibit: TrainingExhibit) -> str:
    """The candidate's curves and their companions', step by step, with the first difference marked."""
    curves = {"candidate": exhibit.candidate, "reference": exhibit.reference, "variant": exhibit.variant}
    shown: dict[str, Curve] = {name: curve for name, curve in curves.items() if curve is not None}
    losses = {name: list(map(plain, curve.losses)) for name, curve in shown.items()}
    accuracies = {name: list(map(plain, curve.accuracies)) for name, curve in shown.items() if curve.accuracies}
    difference = exhibit.first_divergence

    def paint(axes: Sequence["Axes"]) -> None:
        _paint_losses(axes[0], losses)
        if accuracies:
            _plot(axes[1], accuracies)
            axes[1].set(ylim=(0, 1.03), ylabel="accuracy")
        if difference is not None and difference.step is not None:
            step = min(difference.step, len(losses["candidate"]))
            for each in axes:
                each.axvline(step, color=COLOURS["mark"], linewidth=1.4, linestyle=(0, (3, 3)))
        axes[-1].set_xlabel("training step")

    parts = [f"Loss of the {name}: {ends(values)}" for name, values in losses.items() if values]
    parts += [f"Accuracy of the {name}: {ends(values)}" for name, values in accuracies.items()]
    title = "Loss and accuracy at each training step" if accuracies else "Loss at each training step"
    return draw("training", title, "; ".join(parts) + ".", paint, heights=(0.9, 0.6) if accuracies else (1,))


def _paint_losses(axes: "Axes", losses: _Curves) -> None:
    _plot(axes, losses)
    gaps = [step for step, loss in enumerate(losses["candidate"]) if math.isnan(loss)]
    if gaps:  # an empty curve would still take room in the layout
        # At the upper edge, whatever the scale: there is no height at which a loss that is not a number belongs.
        edge = axes.get_xaxis_transform()
        axes.plot(gaps, [1.0] * len(gaps), "x", color=COLOURS["mark"], transform=edge, clip_on=False)
    if _spread(losses.values()) > 1000:
        axes.set_yscale("log")
    axes.set_ylabel("loss")


def _plot(axes: "Axes", curves: _Curves) -> None:
    for name in reversed(list(curves)):  # the candidate last, on top
        steps = range(len(curves[name]))
        axes.plot(steps, curves[name], COLOURS[name], linestyle=DASHES[name], linewidth=WIDTHS[name])


def _spread(curves: Iterable[Sequence[float]]) -> float:
    """By what factor the largest differs from the smallest; 1 where a logarithm has no meaning."""
    finite = [value for curve in curves for value in curve if not math.isnan(value)]
    return max(finite) / min(finite) if finite and min(finite) > 0 else 1.0
