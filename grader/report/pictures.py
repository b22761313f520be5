"""The curves of a report as SVG that is part of the page. The only markup not in a template."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from grader.report.drawing import COLOURS, DASHES, WIDTHS, draw, ends, plain
from grader.result.record import (
    CacheExhibit,
    Curve,
    Exhibits,
    FlopsExhibit,
    ObjectivesRun,
    TrainingExhibit,
    UlpExhibit,
    WeightingExhibit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def pictures(exhibits: Exhibits) -> dict[str, Markup]:
    """A drawing for each exhibit that there is something to draw of, by the name of its field."""
    drawings: dict[str, str] = {}
    if exhibits.training is not None:
        drawings["training"] = _training(exhibits.training)
    if exhibits.ulps is not None and any(exhibits.ulps.counts):
        drawings["ulps"] = _ulps(exhibits.ulps)
    if exhibits.flops is not None:
        drawings["flops"] = _flops(exhibits.flops)
    if exhibits.cache is not None:
        drawings["cache"] = _cache(exhibits.cache)
    if exhibits.weighting is not None:
        drawings |= _weighting(exhibits.weighting)
    return {name: Markup(drawing) for name, drawing in drawings.items()}


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


_LEAST: Final = 9  # bars at least, so that one alone does not look like a wall
_LABELS: Final = 8  # about as many as fit


def ulps_picture(exhibit: UlpExhibit) -> str:
    """A bar for each power of two of float steps: what share of the logits is that far away."""
    counts = exhibit.counts + (0,) * (_LEAST - len(exhibit.counts))
    shares = [100 * count / max(sum(counts), 1) for count in counts]

    def paint(all_axes: Sequence["Axes"]) -> None:
        (axes,) = all_axes
        axes.bar(range(len(shares)), shares, width=0.85, color=COLOURS["candidate"])
        ticks = range(0, len(shares), -(-len(shares) // _LABELS))
        axes.set_xticks(list(ticks), [_from(tick) for tick in ticks])
        axes.set(xlabel="float steps away, from", ylabel="% of the logits")

    shown = [f"{share:.1f} % from {_from(number)} steps" for number, share in enumerate(shares) if share >= 0.05]
    return draw("ulps", "Logits by their distance from those of the reference", "; ".join(shown) + ".", paint)


def _from(number: int) -> str:
    """The least distance that a bar counts."""
    least = 2 ** (number - 1) if number else 0
    for size, suffix in ((2**30, "G"), (2**20, "M"), (2**10, "k")):
        if least >= size:
            return f"{least // size}{suffix}"
    return str(least)


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


LM, CLASSES = "candidate", "reference"  # by whose colours the two objectives go
HEIGHTS = (0.7, 0.5, 0.5, 0.5)
TITLES = {
    "weighting_constant": "Two objectives with a constant weight",
    "weighting_balanced": "Two objectives that are balanced",
}


def weighting_pictures(exhibit: WeightingExhibit) -> dict[str, str]:
    """How hard two objectives that share a model pull, where to, and what becomes of both.

    There is a picture for each of the two runs, drawn alike so that one can look from one to the other.
    """
    runs = {"weighting_constant": exhibit.constant, "weighting_balanced": exhibit.balanced}
    loudest = [value for run in runs.values() for curve in _pulls(run).values() for value in curve if value > 0]
    losses = [value for run in runs.values() for value in map(plain, run.lm_losses) if value == value]
    limits = (
        (min(loudest, default=0.1) / 1.5, max(loudest, default=1.0) * 1.5),
        (min(0.0, *losses), max(1.0, *losses) * 1.05) if losses else (0.0, 1.0),
    )
    return {name: _picture(name, exhibit.steps, run, *limits) for name, run in runs.items()}


def _picture(
    name: str, steps: Sequence[int], run: ObjectivesRun, pull: tuple[float, float], loss: tuple[float, float]
) -> str:
    pulls = _pulls(run)
    cosines, losses, accuracies = (list(map(plain, curve)) for curve in (run.cosines, run.lm_losses, run.accuracies))

    def paint(axes: Sequence["Axes"]) -> None:
        plot = _plotter(steps)
        for objective in (CLASSES, LM):
            plot(axes[0], objective, pulls[objective])
        axes[0].set(yscale="log", ylim=pull, ylabel="pull")
        axes[1].axhline(0, color=COLOURS["grid"], linewidth=1.4)
        plot(axes[1], "variant", cosines)
        axes[1].set(ylim=(-1.05, 1.05), ylabel="cosine")
        plot(axes[2], LM, losses)
        axes[2].set(ylim=loss, ylabel="LM loss")
        plot(axes[3], CLASSES, accuracies)
        axes[3].set(ylim=(0, 1.03), ylabel="accuracy", xlabel="training step")

    shown = {
        "Pull of the language model": pulls[LM],
        "Pull of the classifier": pulls[CLASSES],
        "Cosine between them": cosines,
        "LM loss": losses,
        "Class accuracy": accuracies,
    }
    described = "; ".join(f"{what}: {ends(values)}" for what, values in shown.items() if values)
    return draw(name, TITLES[name], f"{described}.", paint, heights=HEIGHTS)


def _pulls(run: ObjectivesRun) -> dict[str, list[float]]:
    """How long each gradient is on what both objectives share, as it counts in the total."""
    weighted = [plain(plain(norm) * plain(weight)) for norm, weight in zip(run.class_norms, run.weights, strict=False)]
    return {LM: list(map(plain, run.lm_norms)), CLASSES: list(map(plain, weighted))}


def _plotter(steps: Sequence[int]) -> Callable[["Axes", str, list[float]], None]:
    def plot(axes: "Axes", colour: str, values: list[float]) -> None:
        axes.plot(steps[: len(values)], values, COLOURS[colour], linestyle=DASHES[colour], linewidth=WIDTHS[colour])

    return plot


# A drawing takes longer than the rest of a report, and of a cohort many compute the same numbers.
_kept: Final = lru_cache(maxsize=64)
_training, _ulps, _flops = _kept(training_picture), _kept(ulps_picture), _kept(flops_picture)
_cache, _weighting = _kept(cache_picture), _kept(weighting_pictures)
