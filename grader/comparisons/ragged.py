"""The logits of rows of different lengths, but for those of padding, which may be anything."""

from typing import Final

import numpy as np

from grader.checks.ragged_cases import RaggedCase
from grader.checks.strategies import extended
from grader.comparisons.comparison import LOGITS, Asked, Comparison
from grader.comparisons.decoding import describe as describe_decoding
from grader.packages.package import Package
from grader.sandbox.questions import AnyQuestion, Decode, Precision
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds

FULL: Final = RaggedCase(
    d_model=8,
    vocab_size=5,
    n_layer=2,
    block_size=6,
    weights=1,
    tokens=((0, 1, 2, 3, 4, 0), (3, 2, 2, 0, 1, 4), (4, 0, 1, 1, 2, 3)),
    lengths=((3, 1, 2), (1, 3, 1), (2, 1, 1)),
    spare=1,
)
MIXED: Final = extended(FULL, RaggedCase, block_size=9, lengths=((2, 2, 2), (0, 2, 1), (1, 1, 1)), plain=(0, 2))


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Rows that fill the block while padding goes beyond it; and a chunk with lengths between two without."""
    return [_asked(case, seeds, precision) for case in (FULL, MIXED)]


def _asked(case: RaggedCase, seeds: Seeds, precision: Precision) -> Asked:
    """The chunks one after the other, and the second once more from the cache that the first left."""
    parents = (*range(-1, len(case.lengths) - 1), 0)
    question = Decode(config=case.config, weights=case.seeded(seeds), precision=precision, parents=parents)
    return question, case.steps() | case.step(len(case.lengths), 1)


def answer(package: Package, asked: Asked) -> Tensors:
    """The logits of the tokens that are real: (N, V) for each chunk."""
    question, tensors = asked
    answered = package.ask(question, tensors)
    return {name: _real(name, logits, tensors) for name, logits in answered.items()}


def _real(name: str, logits: Array, tensors: Tensors) -> Array:
    step = name.removeprefix("logits.")
    chunk = tensors[f"chunk.{step}"]
    lengths = tensors.get(f"lengths.{step}")
    if lengths is None or logits.shape[:2] != chunk.shape:
        return logits
    real: Array = logits[np.arange(chunk.shape[1]) < lengths[:, None]]
    return real


def describe(question: AnyQuestion) -> str:
    """``reading rows of different lengths, decoding in chunks with ...``."""
    return f"reading rows of different lengths, {describe_decoding(question)}"


COMPARISON: Final = Comparison(id="ragged", questions=questions, describe=describe, lanes=LOGITS, answer=answer)
