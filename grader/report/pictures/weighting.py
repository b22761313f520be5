"""Two objectives that share a model: how hard each pulls, where to, and what becomes of both."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from grader.report.pictures.drawing import DASHES, WIDTHS, draw, ends, plain
from grader.report.pictures.svg import COLOURS
from grader.result.record import ObjectivesRun, WeightingExhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LM, CLASSES = "candidate", "reference"  # by whose colours the two objectives go
HEIGHTS = (0.7, 0.5, 0.5, 0.5)
TITLES = {
    "weighting_constant": "Two objectives with a constant weight",
    "weighting_balanced": "Two objectives that are balanced",
}


def weighting_pictures(exhibit: WeightingExhibit) -> dict[str, str]:
    """A picture for each of the two runs, drawn alike so that one can look from one to the other."""
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
