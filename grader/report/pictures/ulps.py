"""How far the logits are from the reference's, in float steps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from grader.report.pictures.drawing import draw
from grader.report.pictures.svg import COLOURS
from grader.result.record import UlpExhibit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
