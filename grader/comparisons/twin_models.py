"""The logits beside those of the variant that a candidate was found to be: other sizes, new models, other modes."""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from grader.checks.strategies import SCALE
from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly, of
from grader.comparisons.forward import CASES, describe
from grader.result.record import Lane
from grader.sandbox.questions import AnyQuestion, Derivatives, Forward, Precision, Settings, Weights
from grader.sandbox.wire import Array, Tensors
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


class Spread(NamedTuple):
    """From what a size is drawn: each time another of these ranges, so that none is left out for long."""

    ranges: tuple[Range, ...]

    def drawn(self, draw: np.random.Generator, count: int) -> list[int]:
        """As many sizes."""
        order = np.concatenate([draw.permutation(len(self.ranges)) for _ in range(-(-count // len(self.ranges)))])
        ranges = (self.ranges[place] for place in order[:count])
        return [int(draw.integers(low, high, endpoint=True)) for low, high in ranges]


MANY: Final = 10  # models in evaluation
TRAINED: Final = 3  # in training mode
LENGTHS: Final = Spread(((1, 3), (4, 8), (9, 15), (16, 16), (17, 31), (32, 32), (33, 64), (65, 140)))
ROWS: Final = Spread(((1, 1), (2, 3), (4, 8), (9, 15), (16, 16), (17, 34)))
WIDTHS: Final = Spread(((4, 15), (16, 16), (17, 31), (32, 32), (33, 63), (64, 72)))
LAYERS: Final = Spread(((1, 1), (2, 2), (3, 3), (4, 5), (6, 8)))
VOCABULARIES: Final = Spread(((2, 15), (16, 16), (17, 63), (64, 64), (65, 255), (256, 256), (257, 400)))
BLOCKS: Final = (64, 128, 256, 512, 1024)
LARGEST: Final = 800  # tokens: of longer texts there are fewer rows
DROPOUTS: Final = (0.0, 0.1, 0.5)  # of models in evaluation
SMALL: Final = 8  # width: of wider models the weights are smaller, so that scores are of about one size


@lru_cache(maxsize=4)  # asked for anew with each of them
def _many_sizes_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of each of ten models, small and large, in one state or another in which forward is the same:
    with dropout, which does nothing there, with gradients, recorded or not, and whatever the texts are like.
    """
    return _drawn_forwards(MANY, seeds, precision, training=False)


def _drawn_forwards(count: int, seeds: Seeds, precision: Precision, *, training: bool) -> list[Asked]:
    draw = np.random.default_rng(seeds.derive("many sizes", int(training)))
    spreads = (LENGTHS, ROWS, WIDTHS, LAYERS, VOCABULARIES)
    kinds = draw.permutation(count)
    return [
        _drawn_forward(
            draw,
            seeds.derive("weights", f"many sizes {number}"),
            int(kinds[number]),
            sizes,
            precision,
            training=training,
        )
        for number, sizes in enumerate(zip(*(spread.drawn(draw, count) for spread in spreads), strict=True))
    ]


def _drawn_forward(
    draw: np.random.Generator, seed: int, kind: int, sizes: tuple[int, ...], precision: Precision, *, training: bool
) -> Asked:
    """One of these sizes: T, B, C, layers and V. In training mode nothing is dropped."""
    T, B, C, L, V = sizes
    B = min(B, max(1, LARGEST // T))
    rooms = (0, int(draw.integers(1, 4)), max(0, int(draw.choice(BLOCKS)) - T), T + int(draw.integers(1, T + 1)))
    question = Forward(
        config={
            "vocab_size": V,
            "block_size": T + int(draw.choice(rooms)),
            "n_layer": L,
            "d_model": C,
            "dropout": 0.0 if training else float(draw.choice(DROPOUTS)),
        },
        weights=Weights(
            seed, SCALE * min(1.0, (SMALL / C) ** 0.5), graded=bool(draw.integers(2)), warm=bool(draw.integers(2))
        ),
        precision=precision,
        training=training,
        recording=bool(draw.integers(2)),
        views=bool(draw.integers(2)),
    )
    return question, {"tokens.0": _texts(draw, kind, B, T, V)}


def _texts(draw: np.random.Generator, kind: int, rows: int, length: int, words: int) -> Array:
    """Texts of a kind: any words; the same in every row, or all along a row; counting up or down; over and over."""
    any_, (start, stride), place = (
        draw.integers(0, words, (rows, length)),
        draw.integers(1, words + 1, 2),
        np.arange(length),
    )
    kinds = (
        any_,
        any_,
        any_[:1].repeat(rows, axis=0),
        any_[:, :1].repeat(length, axis=1),
        (any_[:, :1] + stride * place) % words,
        np.maximum(words - 1 - place, 0)[None].repeat(rows, axis=0),
        np.sort(any_, axis=1),
        np.sort(any_, axis=1)[:, ::-1],
        any_[:, place % min(length, 1 + int(start) % 3)],
    )
    texts: Array = np.ascontiguousarray(kinds[kind % len(kinds)], dtype=np.int64)
    return texts


MANY_SIZES: Final = Comparison(
    id="many-sizes",
    questions=_many_sizes_questions,
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
    """A small model with the grader's weights, one as training begins with, and a few of drawn sizes."""
    return [*in_modes((True,), seeds, precision), *_drawn_forwards(TRAINED, seeds, precision, training=True)]


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
    after=("default-sizes", "many-sizes", "fresh-model"),
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


DIRECTIONS: Final = 8  # that parameters are moved in, some of them in each
OFF: Final = 1e-3  # of a derivative: 2e-4 by differences; of a part that is cut it is 1
LEFT: Final = 2e-4  # of the largest derivative: what a softmax in float32 leaves where there is none


def _derivatives_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A small model in both modes, with dropout and without, some of them with gradients that are there already."""
    case = CASES[0]
    asked: list[Asked] = []
    for number, (training, dropout) in enumerate(((True, 0.3), (True, 0.3), (True, 0.0), (False, 0.3), (False, 0.0))):
        question = Derivatives(
            config=case.config | {"dropout": dropout},
            weights=replace(case.seeded(seeds), graded=number % 2 == 1),
            precision=precision,
            training=training,
            directions=DIRECTIONS,
            seed=seeds.derive("derivatives", number) % 2**31,
        )
        asked.append((question, {"tokens": case.token_array()}))
    return asked


def _describe_derivatives(question: AnyQuestion) -> str:
    """``a backward pass in training mode with vocab_size=5, ...``."""
    assert isinstance(question, Derivatives)
    return f"a backward pass in {'training' if question.training else 'eval'} mode with {of(question.config)}"


def are_derivatives(answer: Tensors, expected: Tensors) -> bool:
    """Whether a backward pass gives what moving the parameters does, whatever is dropped, and in whichever order."""
    if answer.keys() != expected.keys():
        return False
    backward, moved = answer["backward"], answer["moved"]
    sizes = np.maximum(np.abs(backward), np.abs(moved))
    return bool((np.abs(backward - moved) <= OFF * sizes + LEFT * sizes.max()).all())


DERIVATIVES: Final = Comparison(
    id="derivatives",
    questions=_derivatives_questions,
    describe=_describe_derivatives,
    lanes=((Lane.FLOAT64, are_derivatives),),
    after=("many-sizes", "changing-modes", "gradients"),
)
