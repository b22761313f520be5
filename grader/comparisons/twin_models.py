"""The logits beside those of the variant that a candidate was found to be: other sizes, new models, other modes."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly, of
from grader.comparisons.forward import CASES, describe
from grader.sandbox.questions import AnyQuestion, Forward, Precision, Settings, Weights
from grader.seeds import Seeds

Range = tuple[int, int]  # both ends can be drawn


def drawn_sizes(
    draw: np.random.Generator, *, length: Range, rows: Range, width: Range, layers: Range
) -> tuple[Settings, int, int]:
    """A model's sizes, but for its vocabulary; and B and T of a batch that it can read."""
    T, B, C, L = (int(draw.integers(low, high, endpoint=True)) for low, high in (length, rows, width, layers))
    return {"block_size": T + int(draw.integers(0, 2 * T)), "n_layer": L, "d_model": C}, B, T


DEFAULTS: Final[Settings] = {"vocab_size": 64, "block_size": 32, "n_layer": 2, "d_model": 32}
SHAPE: Final = (16, 32)  # TrainConfig's batch_size, GPTConfig's block_size


def _default_sizes_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward."""
    tokens = np.random.default_rng(seeds.derive("default sizes")).integers(0, int(DEFAULTS["vocab_size"]), SHAPE)
    weights = Weights(seeds.derive("weights", "default sizes"))
    return [(Forward(config=DEFAULTS, weights=weights, precision=precision), {"tokens.0": tokens})]


DEFAULT_SIZES: Final = Comparison(
    id="default-sizes", questions=_default_sizes_questions, describe=describe, lanes=LOGITS, nearly=nearly
)


def _larger_sizes_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of a model that is larger than the default in every way.

    Its sizes are drawn for each grade: no constant in a source can name them in advance.
    """
    draw = np.random.default_rng(seeds.derive("larger sizes"))
    vocabulary = int(draw.integers(66, 300))
    config, rows, length = drawn_sizes(draw, length=(65, 110), rows=(17, 25), width=(34, 60), layers=(4, 6))
    question = Forward(
        config={"vocab_size": vocabulary} | config,
        weights=Weights(seeds.derive("weights", "larger sizes")),
        precision=precision,
    )
    return [(question, {"tokens.0": draw.integers(0, vocabulary, (rows, length))})]


LARGER_SIZES: Final = Comparison(
    id="larger-sizes",
    questions=_larger_sizes_questions,
    describe=describe,
    lanes=LOGITS,
    nearly=nearly,
    after=("default-sizes",),
)


def _fresh_model_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One model, in evaluation."""
    return [fresh((False,), seeds, precision)]


def fresh(modes: tuple[bool, ...], seeds: Seeds, precision: Precision) -> Asked:
    """A new model, put into these modes in turn and asked the same; True is training."""
    tokens = np.random.default_rng(seeds.derive("fresh model")).integers(0, int(DEFAULTS["vocab_size"]), SHAPE)
    question = Forward(
        config=DEFAULTS,
        weights=Weights(0),
        precision=precision,
        modes=modes,
        recording=True,
        initial=True,
        seed=seeds.derive("fresh model") % 2**31,
    )
    return question, {f"tokens.{i}": tokens for i in range(len(modes))}


def _describe_fresh_model(question: AnyQuestion) -> str:
    """``a new model with vocab_size=64, ...``."""
    assert isinstance(question, Forward)
    return f"a new model with {of(question.config)}"


FRESH_MODEL: Final = Comparison(
    id="fresh-model",
    questions=_fresh_model_questions,
    describe=_describe_fresh_model,
    lanes=LOGITS,
    nearly=nearly,
    after=("default-sizes",),
)


def _training_mode_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A small model with the grader's weights, and one as training begins with."""
    return in_modes((True,), seeds, precision)


def in_modes(modes: tuple[bool, ...], seeds: Seeds, precision: Precision) -> list[Asked]:
    """The two models, each put into these modes in turn and asked the same; True is training."""
    case = CASES[0]
    small = Forward(config=case.config, weights=case.seeded(seeds), precision=precision, modes=modes, recording=True)
    return [(small, {f"tokens.{i}": case.token_array() for i in range(len(modes))}), fresh(modes, seeds, precision)]


def _describe_training_mode(question: AnyQuestion) -> str:
    """``training mode with vocab_size=5, ...``."""
    assert isinstance(question, Forward)
    return f"training mode with {of(question.config)}"


TRAINING_MODE: Final = Comparison(
    id="training-mode",
    questions=_training_mode_questions,
    describe=_describe_training_mode,
    lanes=LOGITS,
    nearly=nearly,
    after=("default-sizes", "fresh-model"),
)


MODES: Final = (True, False, True, False)


def _changing_modes_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """The same two models from training to evaluation and back, as one goes that is evaluated now and then."""
    return in_modes(MODES, seeds, precision)


def _describe_changing_modes(question: AnyQuestion) -> str:
    """``training mode and evaluation in turn with vocab_size=5, ...``."""
    assert isinstance(question, Forward)
    return f"training mode and evaluation in turn, with {of(question.config)}"


CHANGING_MODES: Final = Comparison(
    id="changing-modes",
    questions=_changing_modes_questions,
    describe=_describe_changing_modes,
    lanes=LOGITS,
    nearly=nearly,
    after=("training-mode",),
)
