"""Evidence to look at: the influence matrix, a training run, operations per token. None of it decides a point."""

import math
from collections.abc import Callable
from typing import Final, TypeVar

import numpy as np

from grader.compare import first_difference
from grader.lattice import Bugs, Lattice
from grader.oracle import Oracle, ask_both
from grader.record import Curve, Divergence, Exhibits, FlopsExhibit, InfluenceExhibit, Matrix, TrainingExhibit
from grader.sandbox.errors import LauncherFailed
from grader.sandbox.questions import Flops, Influence, OwnRun, Settings, Weights
from grader.sandbox.wire import Array
from grader.seeds import Seeds

INFLUENCE_CONFIG: Final[Settings] = {"vocab_size": 11, "block_size": 8, "n_layer": 2, "d_model": 8}
INFLUENCE_TOKENS: Final = (3, 1, 4, 10, 5, 9, 2, 6)
# V < C: a model whose logits have the width of the model can still be trained.
TRAIN_CONFIG: Final[Settings] = {"vocab_size": 10, "block_size": 8, "n_layer": 1, "d_model": 16}
TRAINING: Final[Settings] = {
    "vocab_size": 10, "seq_len": 8, "batch_size": 8, "steps": 24,
    "lr": 0.01, "weight_decay": 0.01, "grad_clip": 1.0, "warmup": 5,
}  # fmt: skip
FLOPS_CONFIG: Final[Settings] = {"vocab_size": 11, "block_size": 33, "n_layer": 2, "d_model": 16}
FLOPS_LENGTHS: Final = (1, 8, 16, 32)

T = TypeVar("T")


def collect(candidate: Oracle, lattice: Lattice, bugs: Bugs, seeds: Seeds, *, cache: bool) -> Exhibits:
    """All exhibits that the candidate allows; one that it breaks is left out."""
    return Exhibits(
        influence=_unless_broken(lambda: _influence(candidate, lattice.reference, seeds)),
        training=_unless_broken(lambda: _training(candidate, lattice, bugs, seeds)),
        flops=_unless_broken(lambda: _flops(candidate, seeds)) if cache else None,
    )


def _unless_broken(make: Callable[[], T]) -> T | None:
    try:
        return make()
    except LauncherFailed:
        raise
    except Exception:  # answers that do not fit together: evidence that is left out, not a verdict
        return None


def _influence(candidate: Oracle, reference: Oracle, seeds: Seeds) -> InfluenceExhibit:
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


def _training(candidate: Oracle, lattice: Lattice, bugs: Bugs, seeds: Seeds) -> TrainingExhibit:
    question = OwnRun(config=TRAIN_CONFIG, train=TRAINING, seed=seeds.derive("own run") % 2**31)
    actual, expected = ask_both(candidate, lattice.reference, question, {})
    if actual["losses"].shape != expected["losses"].shape:
        raise ValueError(f"losses of shape {actual['losses'].shape}")
    variant = lattice.variant(bugs).ask(question, {}) if bugs else None
    difference = first_difference(actual, expected)
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
    if variant is not None and first_difference(actual, variant) is None:
        note += "; bit for bit the run of the reference with the remaining bugs left in"
    return TrainingExhibit(
        candidate=_curve("candidate", actual["losses"]),
        reference=_curve("reference", expected["losses"]),
        variant=_curve("reference with the remaining bugs", variant["losses"]) if variant is not None else None,
        first_divergence=divergence,
        note=note,
    )


def _curve(label: str, losses: Array) -> Curve:
    return Curve(label=label, losses=tuple(_finite(float(loss)) for loss in losses))


def _flops(candidate: Oracle, seeds: Seeds) -> FlopsExhibit:
    question = Flops(config=FLOPS_CONFIG, weights=Weights(seeds.derive("flops")), lengths=FLOPS_LENGTHS)
    answer = candidate.ask(question, {})
    if {answer[name].shape for name in ("cached", "full")} != {(len(FLOPS_LENGTHS),)}:
        raise ValueError("counts of another number than was asked")
    return FlopsExhibit(
        lengths=FLOPS_LENGTHS,
        cached=tuple(int(n) for n in answer["cached"]),
        full=tuple(int(n) for n in answer["full"]),
    )
