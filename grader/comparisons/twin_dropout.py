"""What dropout does, in training mode, in evaluation and in training mode again, and to a short run.

Where the same numbers are drawn in the same order, the bits are the same. A right model may draw them in another order:
then its logits must be spread in the same way, and the run is no evidence.
"""

from typing import Final

import numpy as np

from grader.checks.compare import close, same_bits
from grader.comparisons import twin_runs
from grader.comparisons.comparison import Agree, Asked, Comparison, of
from grader.result.record import Lane
from grader.sandbox.questions import AnyQuestion, Forward, Precision, TwinRun, Weights
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds

MODES: Final = (True, False, True)
FEW: Final = 5  # rows that have the same tokens
MANY: Final = 2048  # as many draws of what dropout may do to them
LENGTH: Final = 4
VOCABULARY: Final = 7
ATTENTION: Final = ("attn.proj.weight", "attn.proj.bias")
MLP: Final = ("mlp.proj.weight", "mlp.proj.bias")
PARTS: Final = ((), ATTENTION, MLP, (*ATTENTION, *MLP))  # that are silenced
ERRORS: Final = 6  # of a mean: how many standard errors two may be apart
DEVIATIONS: Final = (
    0.2  # of a deviation's logarithm: 0.14 was seen between seeds, 0.29 where a layer drops half as often
)


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A few rows and a short run, for bits. In float64 one text many times over: whole, and with parts of the blocks
    silenced, so that what the others drop stands out."""
    draw = np.random.default_rng(seeds.derive("dropout"))
    dropout = round(float(draw.uniform(0.2, 0.4)), 3)
    rows = FEW if precision == "float32" else MANY
    tokens = np.repeat(draw.integers(0, VOCABULARY, (1, LENGTH)), rows, axis=0)
    asked: list[Asked] = [
        (
            Forward(
                config={"vocab_size": VOCABULARY, "block_size": 5, "n_layer": 2, "d_model": 8, "dropout": dropout},
                weights=Weights(seeds.derive("weights", "dropout"), factors=dict.fromkeys(silent, 0.0)),
                precision=precision,
                modes=MODES,
                recording=True,
                seed=twin_runs.drawn_seed(draw),
            ),
            {f"tokens.{i}": tokens for i in range(len(MODES))},
        )
        for silent in (PARTS if precision == "float64" else PARTS[:1])
    ]
    short = TwinRun(
        config={"block_size": 9, "n_layer": 2, "d_model": 12, "dropout": dropout},
        train={"vocab_size": 9, "seq_len": 7, "batch_size": 5, "steps": 8, "seed": twin_runs.drawn_seed(draw)},
        precision=precision,
    )
    return asked if precision == "float64" else [*asked, (short, {})]


def describe(question: AnyQuestion) -> str:
    """``training mode and evaluation with dropout=0.2, ...``."""
    if isinstance(question, TwinRun):
        return twin_runs.describe(question)
    assert isinstance(question, Forward)
    return f"training mode and evaluation in turn, with {of(question.config)}"


def steady(answer: Tensors) -> Tensors:
    """A run in its order, and logits as they are."""
    return twin_runs.in_time(answer) if "loss" in answer else answer


def meaning(tensor: str) -> str:
    """What it tells where two runs part."""
    return "" if tensor.startswith("logits") else twin_runs.meaning(tensor)


def spread_alike(tolerance: str) -> Agree:
    """Whether logits are as in evaluation where nothing is dropped, and spread alike, and anew, where it is."""

    def agree(answer: Tensors, expected: Tensors) -> bool:
        if answer.keys() != expected.keys():
            return False
        first, evaluated, again = ((answer[f"logits.{i}"], expected[f"logits.{i}"]) for i in range(len(MODES)))
        is_new = not same_bits(first[0], again[0]) or same_bits(first[1], again[1])
        return is_new and close(*evaluated, tolerance) and _spread_alike(*first) and _spread_alike(*again)

    return agree


def _spread_alike(actual: Array, expected: Array) -> bool:
    """Logits (B, T, V), of the same tokens in every row: whether each has about the same mean and deviation."""
    if actual.shape != expected.shape:
        return False
    (mean, deviation), (right_mean, right_deviation) = (
        (side.mean(axis=0), side.std(axis=0) + np.finfo(np.float64).tiny) for side in (actual, expected)
    )
    error = np.hypot(deviation, right_deviation) / np.sqrt(len(actual))
    apart = np.abs(np.log(deviation / right_deviation))
    return bool((np.abs(mean - right_mean) <= ERRORS * error).all() and (apart <= DEVIATIONS).all())


COMPARISON: Final = Comparison(
    id="dropout",
    questions=questions,
    describe=describe,
    lanes=(
        (Lane.FLOAT64, spread_alike("logits, float64")),
        (Lane.FLOAT32, spread_alike("logits, softmax in float32")),
    ),
    meaning=meaning,
    steady=steady,
    after=("changing-modes",),
)
