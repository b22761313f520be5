"""The logits of incremental decoding, and what is generated with a cache.

Rows may differ in length: then all logits count but those of padding, which may be anything.
"""

from itertools import pairwise
from typing import Final

import numpy as np

from grader.checks.decoding_cases import RaggedCase
from grader.checks.strategies import ModelCase, extended
from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly, of
from grader.comparisons.forward import CASES as FORWARD_CASES
from grader.packages.package import Package
from grader.sandbox.questions import AnyQuestion, Decode, Generate, Precision, Settings
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds

CHUNKS: Final = ((3, 1, 1, 2), (1, 4), (5, 3))  # sizes, for each of the first cases of the forward
CASES: Final = tuple(zip(FORWARD_CASES, CHUNKS, strict=False))


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Each case decoded in chunks, and prompts continued, with a cache and without."""
    asked = [in_chunks(case.config, case, chunks, seeds, precision) for case, chunks in CASES]
    case = FORWARD_CASES[-1]  # many tokens to choose from: a wrong choice shows
    prompt = case.token_array()[:, :4]
    for use_cache in (True, False):
        question = Generate(
            config=case.config, weights=case.seeded(seeds), precision=precision, max_new_tokens=5, use_cache=use_cache
        )
        asked.append((question, {"prompt": prompt}))
    return asked


def in_chunks(config: Settings, case: ModelCase, chunks: tuple[int, ...], seeds: Seeds, precision: Precision) -> Asked:
    """The chunks one after the other, and the second once more from the cache that the first left."""
    tokens = case.token_array()
    ends = [sum(chunks[:i]) for i in range(len(chunks) + 1)]
    pieces = [tokens[:, start:end].copy() for start, end in pairwise(ends)]
    parents = (*range(-1, len(chunks) - 1), 0)
    question = Decode(config=config, weights=case.seeded(seeds), precision=precision, parents=parents)
    return question, {f"chunk.{i}": piece for i, piece in enumerate((*pieces, pieces[1]))}


def describe(question: AnyQuestion) -> str:
    """``decoding in chunks with vocab_size=5, ...``."""
    assert isinstance(question, Decode | Generate)
    return f"{'decoding in chunks' if isinstance(question, Decode) else 'generating'} with {of(question.config)}"


COMPARISON: Final = Comparison(id="decoding", questions=questions, describe=describe, lanes=LOGITS, nearly=nearly)


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


def _ragged_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Rows that fill the block while padding goes beyond it; and a chunk with lengths between two without."""
    return [_ragged_asked(case, seeds, precision) for case in (FULL, MIXED)]


def _ragged_asked(case: RaggedCase, seeds: Seeds, precision: Precision) -> Asked:
    """The chunks one after the other, and the second once more from the cache that the first left."""
    parents = (*range(-1, len(case.lengths) - 1), 0)
    question = Decode(config=case.config, weights=case.seeded(seeds), precision=precision, parents=parents)
    return question, case.steps() | case.step(len(case.lengths), 1)


def _real_logits(package: Package, asked: Asked) -> Tensors:
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


def _describe_ragged(question: AnyQuestion) -> str:
    """``reading rows of different lengths, decoding in chunks with ...``."""
    return f"reading rows of different lengths, {describe(question)}"


RAGGED: Final = Comparison(
    id="ragged", questions=_ragged_questions, describe=_describe_ragged, lanes=LOGITS, answer=_real_logits
)
