"""Evidence to look at, asked for when the verdict is known. None of it decides a point."""

import contextlib
import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Final, TypeVar

import numpy as np

from grader.checks.compare import first_difference, same_bits, ulp_distances
from grader.checks.prefix_parity import CONFIG, STEPS, parity_task, train_settings
from grader.comparisons.forward import COMPARISON as FORWARDS
from grader.grading.variants import Bugs, Variants
from grader.packages.package import Package, ask_both
from grader.packages.trouble import Trouble
from grader.result.exhibits import ObjectivesRun, WeightingExhibit
from grader.result.record import (
    CacheExhibit,
    Curve,
    Divergence,
    Exhibits,
    FlopsExhibit,
    InfluenceExhibit,
    Matrix,
    ParameterExhibit,
    ParameterRow,
    TrainingExhibit,
    UlpExhibit,
)
from grader.sandbox.errors import LauncherFailed
from grader.sandbox.questions import FitWeighted, Flops, Influence, OwnRun, Parameters, Settings, Weighting, Weights
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds

INFLUENCE_CONFIG: Final[Settings] = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "d_model": 8}
INFLUENCE_TOKENS: Final = (3, 1, 4, 10, 5, 9, 2, 6)
# V < C: a model whose logits have the width of the model can still be trained.
TRAIN_CONFIG: Final[Settings] = {"vocab_size": 10, "block_size": 8, "n_layer": 1, "d_model": 16}
TRAINING: Final[Settings] = {
    "vocab_size": 10, "seq_len": 8, "batch_size": 8, "steps": 24,
    "lr": 0.01, "weight_decay": 0.01, "grad_clip": 1.0, "warmup": 5,
}  # fmt: skip
DECODING_CONFIG: Final[Settings] = {"vocab_size": 11, "block_size": 33, "n_layer": 2, "d_model": 16}
DECODING_LENGTHS: Final = (1, 8, 16, 32)
PARAMETER_CONFIG: Final[Settings] = {"vocab_size": 11, "block_size": 7, "n_layer": 2, "d_model": 8}
MAX_PARAMETERS: Final = 200
MAX_NAME: Final = 120  # characters
FLOAT32_BYTES: Final = 4

T = TypeVar("T")


def collect(
    candidate: Package,
    variants: Variants,
    bugs: Bugs,
    seeds: Seeds,
    *,
    cache: bool,
    weighting: bool,
    forwards: Sequence[Tensors] | Trouble | None,
) -> Exhibits:
    """All exhibits that the candidate allows; one that it breaks is left out.

    Args:
        cache: whether decoding with a cache is among what was graded.
        weighting: whether the weighing of two losses is.
        forwards: what the candidate has answered to the forward comparison's questions; None where it was not asked.
    """
    decoding = _unless_broken(lambda: _decoding(candidate, seeds)) if cache else None
    flops, kept = decoding or (None, None)
    return Exhibits(
        influence=_unless_broken(lambda: _influence(candidate, variants.reference, seeds)),
        training=_unless_broken(lambda: _training(candidate, variants, bugs, seeds)),
        flops=flops,
        cache=kept,
        parameters=_unless_broken(lambda: _parameters(candidate, variants.reference, seeds)),
        ulps=_unless_broken(lambda: _ulps(forwards, variants)),
        weighting=_unless_broken(lambda: weighting_exhibit(candidate, seeds)) if weighting else None,
    )


def _unless_broken(make: Callable[[], T]) -> T | None:
    try:
        return make()
    except LauncherFailed:
        raise
    except Exception:  # answers that do not fit together: evidence that is left out, not a verdict
        return None


def _influence(candidate: Package, reference: Package, seeds: Seeds) -> InfluenceExhibit:
    question = Influence(config=INFLUENCE_CONFIG, weights=Weights(seeds.derive("influence")))
    tokens = {"tokens": np.array([INFLUENCE_TOKENS])}
    answer, expected = ask_both(candidate, reference, question, tokens)
    return InfluenceExhibit(
        tokens=INFLUENCE_TOKENS,
        candidate=_matrix(answer["influence"]),
        reference=_matrix(expected["influence"]),
    )


def _matrix(array: Array) -> Matrix:
    if array.shape != (len(INFLUENCE_TOKENS),) * 2:
        raise ValueError(f"an influence matrix of shape {array.shape}")
    return tuple(tuple(_finite(float(f"{value:.4g}")) for value in row) for row in array.tolist())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _training(candidate: Package, variants: Variants, bugs: Bugs, seeds: Seeds) -> TrainingExhibit:
    question = OwnRun(config=TRAIN_CONFIG, train=TRAINING, seed=seeds.derive("own run") % 2**31)
    actual, expected = ask_both(candidate, variants.reference, question, {})
    if {actual[name].shape for name in ("losses", "accuracies")} != {expected["losses"].shape}:
        raise ValueError(f"losses of shape {actual['losses'].shape}")
    variant = variants.variant(bugs).ask(question, {}) if bugs else None
    difference = first_difference(_losses(actual), _losses(expected))
    divergence = None
    if difference is not None:
        divergence = Divergence(
            step=difference.element[0] if difference.element else None,
            tensor="loss",
            element=difference.element,
            ulps=difference.ulps,
            actual=difference.actual,
        )
    note = f"{TRAINING['steps']} steps with the candidate's own model, data and loop"
    if variant is not None and first_difference(_losses(actual), _losses(variant)) is None:
        note += "; bit for bit the run of the reference with the remaining bugs left in"
    return TrainingExhibit(
        candidate=_curve("candidate", actual),
        reference=_curve("reference", expected),
        variant=_curve("reference with the remaining bugs", variant) if variant is not None else None,
        first_divergence=divergence,
        note=note,
    )


def _losses(answer: Tensors) -> Tensors:
    """The losses as they were computed: in float32, where a unit in the last place means something."""
    losses = answer["losses"]
    with np.errstate(all="ignore"):  # a loss may be anything
        narrow = losses.astype(np.float32)
    return {"losses": narrow if np.array_equal(narrow, losses, equal_nan=True) else losses}


def _curve(label: str, answer: Tensors) -> Curve:
    losses, accuracies = (tuple(_finite(float(value)) for value in answer[name]) for name in ("losses", "accuracies"))
    return Curve(label=label, losses=losses, accuracies=accuracies)


def _decoding(candidate: Package, seeds: Seeds) -> tuple[FlopsExhibit, CacheExhibit | None]:
    weights = Weights(seeds.derive("flops"))
    question = Flops(config=DECODING_CONFIG, weights=weights, precision="float32", lengths=DECODING_LENGTHS)
    answer = candidate.ask(question, {})
    if {answer[name].shape for name in ("cached", "full")} != {(len(DECODING_LENGTHS),)}:
        raise ValueError("counts of another number than was asked")
    flops = FlopsExhibit(
        lengths=DECODING_LENGTHS,
        cached=tuple(int(n) for n in answer["cached"]),
        full=tuple(int(n) for n in answer["full"]),
    )
    return flops, _unless_broken(lambda: _kept(answer["kept"]))


def _kept(kept: Array) -> CacheExhibit:
    layers, width = int(DECODING_CONFIG["n_layer"]), int(DECODING_CONFIG["d_model"])
    if kept.shape != (layers, len(DECODING_LENGTHS)):
        raise ValueError(f"sizes of a cache in shape {kept.shape}")
    return CacheExhibit(
        lengths=DECODING_LENGTHS,
        layers=tuple(tuple(int(n) for n in row) for row in kept),
        expected=tuple(2 * width * length for length in DECODING_LENGTHS),
        element_bytes=FLOAT32_BYTES,
    )


def _parameters(candidate: Package, reference: Package, seeds: Seeds) -> ParameterExhibit:
    question = Parameters(config=PARAMETER_CONFIG, seed=seeds.derive("parameters") % 2**31)
    answer, expected = ask_both(candidate, reference, question, {})
    names = [*expected, *(name for name in answer if name not in expected)]
    shown = names[:MAX_PARAMETERS]
    return ParameterExhibit(
        config=dict(PARAMETER_CONFIG),
        rows=tuple(
            ParameterRow(name=name[:MAX_NAME], shape=_shape(answer, name), expected=_shape(expected, name))
            for name in shown
        ),
        left_out=len(names) - len(shown),
        same_start=tuple(
            name in answer and name in expected and same_bits(answer[name], expected[name]) for name in shown
        ),
    )


def _shape(arrays: Tensors, name: str) -> tuple[int, ...] | None:
    return tuple(arrays[name].shape) if name in arrays else None


def _ulps(forwards: Sequence[Tensors] | Trouble | None, variants: Variants) -> UlpExhibit | None:
    if forwards is None or isinstance(forwards, Trouble):
        return None
    distances: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]] = [np.zeros(0, np.int64)]
    incomparable = 0
    for answer, expected in zip(forwards, variants.expected(FORWARDS), strict=True):
        for name, wanted in expected.items():
            got = answer.get(name)
            if got is None or got.shape != wanted.shape or got.dtype != wanted.dtype:
                incomparable += wanted.size
                continue
            finite = np.isfinite(got) & np.isfinite(wanted)
            incomparable += int((~finite).sum())
            distances.append(ulp_distances(got[finite], wanted[finite]))
    every = np.concatenate(distances)
    # The number of binary digits: 0 for 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7.
    digits = np.frexp(every.astype(np.float64))[1]
    return UlpExhibit(
        forwards=len(forwards),
        counts=tuple(int(n) for n in np.bincount(digits)),
        largest=int(every.max()) if every.size else None,
        incomparable=incomparable,
    )


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
