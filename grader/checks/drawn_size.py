"""The same question of a model that is wider than the default one, in sizes that no source can name in advance."""

from typing import Final

import numpy as np
from msgspec.structs import replace

from grader.checks.strategies import ModelCase
from grader.seeds import Seeds

# Smallest and largest: widths and vocabularies are past the defaults of GPTConfig. Lengths are not: a table of
# positions that is too short is for the check of its shape to find.
WIDTHS: Final = 33, 64
VOCABULARIES: Final = 65, 96
LENGTHS: Final = 12, 32


def larger(case: ModelCase, seeds: Seeds) -> ModelCase:
    """With as many layers, and one row of distinct tokens; its sizes are drawn by the grade's seed."""
    random = np.random.default_rng(seeds.derive("larger", case.weights))
    width, vocabulary, length = (int(random.integers(low, high + 1)) for low, high in (WIDTHS, VOCABULARIES, LENGTHS))
    return replace(
        case,
        d_model=width,
        vocab_size=vocabulary,
        block_size=length,
        tokens=(tuple(random.permutation(vocabulary)[:length].tolist()),),
    )
