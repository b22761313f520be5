"""Cases for the training loop: a configuration, and batches drawn from the grade's seed."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import Struct
from msgspec.structs import replace

from grader.checks.strategies import SCALE, ModelCase
from grader.sandbox.questions import Settings, Weights
from grader.sandbox.wire import Array
from grader.seeds import Seeds
from grader.sizes import Extent

STAND_IN_WIDTH: Final = 6


class TrainCase(Struct, frozen=True, kw_only=True):
    """A training configuration; ``data`` picks the weights and the batches."""

    vocab_size: int
    seq_len: int
    batch_size: int
    steps: int
    lr: float
    weight_decay: float
    grad_clip: float
    warmup: int
    data: int
    width: int = STAND_IN_WIDTH
    made: tuple[int, ...] = ()  # the numbers of the steps that are made, where they are not the first of all

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the steps, one for each batch."""
        return self.made or tuple(range(self.steps))

    @property
    def config(self) -> Settings:
        """TrainConfig fields."""
        return {
            "vocab_size": self.vocab_size,
            "seq_len": self.seq_len,
            "batch_size": self.batch_size,
            "steps": self.steps,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            "grad_clip": self.grad_clip,
            "warmup": self.warmup,
        }

    def weights(self, seeds: Seeds, *, scale: float = SCALE) -> Weights:
        """Weights of the stand-in model."""
        return Weights(seeds.derive("stand-in", self.data), scale)

    def batches(self, seeds: Seeds) -> dict[str, Array]:
        """tokens, targets, labels: int64 (steps, B, T)."""
        return random_batches(
            seeds.derive("batches", self.data), self.vocab_size, (len(self.numbers), self.batch_size, self.seq_len)
        )


def random_batches(seed: int, vocabulary: int, shape: tuple[int, int, int]) -> dict[str, Array]:
    """Random tokens, each batch with its own, their successors as targets, and parity labels."""
    batches, rows, length = shape
    tokens = np.random.default_rng(seed).integers(0, vocabulary, (batches, rows, length + 1))
    return {"tokens": tokens[..., :-1].copy(), "targets": tokens[..., 1:].copy(), "labels": tokens[..., :-1] % 2}


# The clip lies both far below and far above the gradients' norm, and lasts at least two steps, so that a
# clip that is left out, comes too early, or works on an older gradient shows.
USUAL: Final[dict[str, SearchStrategy[float]]] = {
    "vocab_size": st.sampled_from((5, 7, 9)),
    "seq_len": st.sampled_from((3, 4, 8)),
    "batch_size": st.sampled_from((1, 2)),
    "steps": st.sampled_from((2, 3)),
    "lr": st.sampled_from((0.01, 0.1)),
    "weight_decay": st.sampled_from((0.0, 0.1)),
    "grad_clip": st.sampled_from((0.1, 1.0, 1000.0)),
    "warmup": st.sampled_from((1, 2, 4)),
    "data": st.integers(0, 999),
}


def train_cases(**others: tuple[float, ...]) -> SearchStrategy[TrainCase]:
    """Training configurations; what is named is drawn from these values and not from the usual ones."""
    named = {name: st.sampled_from(values) for name, values in others.items()}
    return st.builds(TrainCase, **USUAL | named)


TRAIN_CASES: Final = train_cases()

FIRST: Final = 6  # steps that are made of a run of given sizes, before some drawn from the others up to the last
LATER: Final = 15


def train_case(extent: Extent) -> TrainCase:
    """A run of these sizes, its settings those of ``TrainConfig`` for the default ones."""
    random = np.random.default_rng(extent.draw)
    # Beyond those of TrainConfig, and no further: each token of each step costs the vocabulary.
    longer, words = extent.tokens // 4 + 1, extent.words // 3 + 1
    case = TrainCase(
        vocab_size=extent.words if not extent.draw else words,
        seq_len=extent.tokens if not extent.draw else longer,
        batch_size=extent.rows,
        steps=extent.steps,
        lr=3e-3 if not extent.draw else float(random.uniform(0.01, 0.1)),
        weight_decay=0.1,
        grad_clip=1.0 if not extent.draw else float(random.uniform(0.05, 0.3)),
        warmup=10 if not extent.draw else int(random.integers(11, 150)),
        data=extent.draw,
        width=extent.width,
    )
    later = LATER if extent.draw else FIRST // 2
    if extent.steps <= FIRST + later:
        return case
    drawn = random.choice(np.arange(FIRST, extent.steps - 1), later - 1, replace=False)
    return replace(case, made=(*range(FIRST), *sorted(drawn.tolist()), extent.steps - 1))


# Numbers of each size there is, and among them those that may be taken for "none".
RATES: Final = (0, 1, (-9, -5), (-5, -2), (-2, -0.5), (-0.5, 3))
CLIPS: Final = (0, 2, (-5, -2), (-2, 0), (3, 6), 0.5)
WARM_UPS: Final = (0, 1, (0.5, 1), (1, 2.2), (2.2, 3.7), (3.7, 6))
ROWS: Final = (1, (0.4, 1), 32, (1.52, 1.8), 64, (2.41, 2.6))
LENGTHS: Final = (1, 2, (0.5, 1), (1.2, 1.49), 32, (1.81, 2))
VOCABULARIES: Final = ((0.31, 0.49), (0.7, 1.4), 32, (1.82, 2.1), 256, (2.42, 3))
DECAYS: Final = (1, (-4, -2), (-2, -0.5), (0.4, 1.7))
TOKENS: Final = 1500  # of one batch

Sizes = tuple[float | tuple[float, float], ...]


def drawn(random: np.random.Generator, sizes: Sizes) -> list[float]:
    """Numbers in a random order: those that are named, and one between each two powers of ten."""
    numbers = [size if not isinstance(size, tuple) else float(10 ** random.uniform(*size)) for size in sizes]
    return [numbers[place] for place in random.permutation(len(numbers))]


def whole(random: np.random.Generator, sizes: Sizes) -> list[int]:
    """The same in whole numbers."""
    return [int(number) for number in drawn(random, sizes)]


def any_settings(data: int, seeds: Seeds) -> list[TrainCase]:
    """Runs of which each setting and each size is once of every order, in combinations that a grade draws."""
    random = np.random.default_rng(seeds.derive("any settings", data))
    sizes = zip(whole(random, VOCABULARIES), whole(random, LENGTHS), whole(random, ROWS), strict=True)
    settings = zip(drawn(random, RATES), drawn(random, CLIPS), whole(random, WARM_UPS), strict=True)
    cases = []
    for number, ((words, length, rows), (lr, clip, warmup)) in enumerate(zip(sizes, settings, strict=True)):
        last = int(10 ** random.uniform(1, 5))
        case = TrainCase(
            vocab_size=words,
            seq_len=max(1, min(length, TOKENS // rows)),
            batch_size=rows,
            steps=last + 1,
            lr=lr,
            weight_decay=0.1,
            grad_clip=clip,
            warmup=warmup,
            data=data + number,
            made=(0, 1, last),
        )
        cases.append(case)
    return cases


def given(parameters: Mapping[str, Array]) -> dict[str, Array]:
    """Parameters under the names by which ``Forward`` takes them."""
    return {f"parameter.{name}": np.ascontiguousarray(values) for name, values in parameters.items()}


def tables(case: ModelCase, stream: Array, positions: Array) -> dict[str, Array]:
    """Tables whose sum, for the first row of a case, is a stream (T, C); its tokens are all distinct.

    Args:
        positions: the whole table of positions (block_size, C).
    """
    tokens = np.resize(stream, (case.vocab_size, case.d_model))  # what is not in the text is never read
    tokens[case.token_array()[0]] = stream - positions[: case.length]
    return {"token_embedding.weight": tokens, "position_embedding.weight": positions}


def standardised(rows: Array) -> Array:
    """Rows (T, C) of mean 0 and variance 1, so that the epsilon of a norm hardly shows."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    standard: Array = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True))
    return standard
