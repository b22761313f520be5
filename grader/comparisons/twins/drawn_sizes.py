"""Sizes that a grade draws for itself."""

import numpy as np

from grader.sandbox.questions import Settings

Range = tuple[int, int]  # both ends can be drawn


def drawn_sizes(
    draw: np.random.Generator, *, length: Range, rows: Range, width: Range, layers: Range
) -> tuple[Settings, int, int]:
    """A model's sizes, but for its vocabulary; and B and T of a batch that it can read."""
    T, B, C, L = (int(draw.integers(low, high, endpoint=True)) for low, high in (length, rows, width, layers))
    return {"block_size": T + int(draw.integers(0, 4)), "n_layer": L, "d_model": C}, B, T
