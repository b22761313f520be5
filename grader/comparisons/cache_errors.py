"""What decoding with a cache refuses: more tokens than there is room for, and a cache of another batch."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import Asked, Comparison
from grader.comparisons.forward import CASES
from grader.comparisons.refusals import describe, refused
from grader.sandbox.questions import Decode, Generate, Precision
from grader.sandbox.wire import Array
from grader.seeds import Seeds

CASE: Final = CASES[0]


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A full cache and one token more, caches of fewer and of more rows, and a text that will be too long."""
    weights = CASE.seeded(seeds)
    continued = Decode(config=CASE.config, weights=weights, precision=precision, parents=(-1, 0))
    one_more = _tokens(2, 1)
    asked: list[Asked] = [
        (continued, {"chunk.0": read, "chunk.1": one_more})
        for read in (_tokens(2, CASE.block_size), _tokens(1, 3), _tokens(3, 3))
    ]
    for use_cache in (True, False):
        question = Generate(
            config=CASE.config, weights=weights, precision=precision, max_new_tokens=1, use_cache=use_cache
        )
        asked.append((question, {"prompt": _tokens(2, CASE.block_size)}))
    return asked


def _tokens(rows: int, length: int) -> Array:
    return np.resize(CASE.token_array(), (rows, length))


COMPARISON: Final = Comparison(id="cache-errors", questions=questions, describe=describe, answer=refused)
