"""Where two objectives pull the candidate's model, step by step: with a constant weight, and balanced."""

import contextlib
import math
from statistics import fmean
from typing import Final

import numpy as np

from grader.checks.prefix_parity import CONFIG, STEPS, parity_task, train_settings
from grader.packages.package import Package
from grader.packages.trouble import Trouble
from grader.result.exhibits import ObjectivesRun, WeightingExhibit
from grader.sandbox.questions import FitWeighted, Weighting
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds

MEASURED: Final = (*range(0, STEPS - 1, 4), STEPS - 1)
LABELS: Final[dict[Weighting, str]] = {
    "constant": "constant weight",
    "uncertainty": "balanced by uncertainty",
    "gradient-norm": "balanced by gradient norms",
}
BALANCED: Final[tuple[Weighting, ...]] = ("uncertainty", "gradient-norm")
LAST: Final = 5  # measurements that say how a run ended


def weighting_exhibit(candidate: Package, seeds: Seeds) -> WeightingExhibit:
    """The same model on the same batches, with a constant weight and with the way to balance that did better.

    Raises:
        Trouble: the candidate has no constant weight, or no classifier.
        ValueError: it has no way to balance, or its answers are not what was asked for.
    """
    constant = _run(candidate, seeds, "constant")
    balanced = []
    for weighting in BALANCED:
        with contextlib.suppress(Trouble):
            balanced.append(_run(candidate, seeds, weighting))
    return WeightingExhibit(steps=MEASURED, constant=constant, balanced=max(balanced, key=_accuracy_at_the_end))


def _accuracy_at_the_end(run: ObjectivesRun) -> float:
    return fmean(accuracy or 0.0 for accuracy in run.accuracies[-LAST:])


def _run(candidate: Package, seeds: Seeds, weighting: Weighting) -> ObjectivesRun:
    question = FitWeighted(
        config=CONFIG,
        train=train_settings(),
        seed=seeds.derive("two objectives") % 2**31,
        weighting=weighting,
        measured=MEASURED,
    )
    answer = candidate.ask(question, parity_task(seeds.derive("two objectives, rows")).training)
    losses = answer["lm_losses"]
    if losses.shape != (STEPS,):
        raise ValueError(f"losses of shape {losses.shape}")
    return ObjectivesRun(
        label=LABELS[weighting],
        lm_norms=_measures(answer, "lm_norms"),
        class_norms=_measures(answer, "class_norms"),
        weights=_measures(answer, "weights"),
        cosines=_measures(answer, "cosines"),
        lm_losses=_numbers(losses[np.array(MEASURED)]),
        accuracies=_measures(answer, "accuracies"),
    )


def _measures(answer: Tensors, name: str) -> tuple[float | None, ...]:
    if answer[name].shape != (len(MEASURED),):
        raise ValueError(f"{name} of shape {answer[name].shape}")
    return _numbers(answer[name])


def _numbers(array: Array) -> tuple[float | None, ...]:
    return tuple(float(f"{value:.5g}") if math.isfinite(value) else None for value in array.astype(float).tolist())
