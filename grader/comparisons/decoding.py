"""The logits of incremental decoding, and what is generated with a cache."""

from itertools import pairwise
from typing import Final

from grader.checks.strategies import ModelCase
from grader.comparisons.comparison import LOGITS, Asked, Comparison, of
from grader.comparisons.forward import CASES as FORWARD_CASES
from grader.sandbox.questions import AnyQuestion, Decode, Generate, Precision, Settings
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


COMPARISON: Final = Comparison(id="decoding", questions=questions, describe=describe, lanes=LOGITS)
