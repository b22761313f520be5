"""Values of parameters that the grader makes itself, and tables that add up to what the first block is to read."""

from collections.abc import Mapping

import numpy as np

from grader.checks.strategies import ModelCase
from grader.sandbox.wire import Array


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
