"""The logits of a model with several heads, and the parameters that it starts with."""

from typing import Final

from grader.checks.strategies import ModelCase
from grader.comparisons import decoding, forward, initialisation
from grader.comparisons.comparison import LOGITS, Asked, Comparison
from grader.comparisons.decoding import in_chunks
from grader.sandbox.questions import AnyQuestion, Forward, Parameters, Precision
from grader.seeds import Seeds

# Heads, their width, layers and lengths all differ, so that none can stand in for another.
CASES: Final = (
    (2, ModelCase(d_model=12, vocab_size=7, n_layer=1, block_size=9, weights=1, tokens=((0, 1, 2, 3, 4, 5, 6),) * 3)),
    (4, ModelCase(d_model=12, vocab_size=17, n_layer=2, block_size=8, weights=2, tokens=((16, 2, 9, 11, 0),) * 2)),
)
CHUNKS: Final = (3, 1, 3)


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of each case, the first decoded in chunks, and the second as it is built."""
    asked: list[Asked] = [
        (
            Forward(config={**case.config, "n_head": heads}, weights=case.seeded(seeds), precision=precision),
            {"tokens.0": case.token_array()},
        )
        for heads, case in CASES
    ]
    heads, case = CASES[0]
    decoded = in_chunks({**case.config, "n_head": heads}, case, CHUNKS, seeds, precision)
    heads, case = CASES[1]
    built = Parameters(config={**case.config, "n_head": heads}, seed=seeds.derive("heads") % 2**31)
    return [*asked, decoded, (built, {})]


def describe(question: AnyQuestion) -> str:
    """``one forward of vocab_size=7, ...``, or decoding, or building."""
    if isinstance(question, Parameters):
        return initialisation.describe(question)
    return forward.describe(question) if isinstance(question, Forward) else decoding.describe(question)


COMPARISON: Final = Comparison(id="heads", questions=questions, describe=describe, lanes=LOGITS)
