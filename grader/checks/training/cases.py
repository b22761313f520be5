"""Cases for the training loop: a configuration, and batches drawn from the grade's seed."""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import Struct

from grader.sandbox.questions import Settings, Weights
from grader.sandbox.wire import Array
from grader.seeds import Seeds

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

    def weights(self, seeds: Seeds) -> Weights:
        """Weights of the stand-in model."""
        return Weights(seeds.derive("stand-in", self.data))

    def batches(self, seeds: Seeds) -> dict[str, Array]:
        """tokens, targets, labels: int64 (steps, B, T)."""
        return random_batches(
            seeds.derive("batches", self.data), self.vocab_size, (self.steps, self.batch_size, self.seq_len)
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
