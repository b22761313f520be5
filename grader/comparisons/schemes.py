"""What a model with another position scheme than learned positions computes, and how it moves with its parameters."""

from typing import Final

from grader.checks.strategies import ModelCase
from grader.comparisons import decoding, forward
from grader.comparisons.comparison import GRADIENTS, Asked, Comparison, of
from grader.comparisons.decoding import in_chunks
from grader.sandbox.questions import AnyQuestion, Forward, Gradients, Precision, Settings
from grader.seeds import Seeds

CASE: Final = ModelCase(
    d_model=12,
    vocab_size=17,
    n_layer=2,
    block_size=8,
    weights=1,
    tokens=((16, 2, 9, 11, 0, 5, 7), (3, 3, 8, 1, 0, 12, 4)),
)
LONG: Final = ModelCase(
    d_model=8,
    vocab_size=7,
    n_layer=1,
    block_size=96,
    weights=2,
    tokens=(tuple(t * t % 7 for t in range(96)),),
)
CHUNKS: Final = (3, 1, 3)
# Of several heads as many as are no power of two, and one; pairs of channels in each of them.
PLAIN: Final[tuple[Settings, ...]] = (
    {"position": "sinusoidal"},
    {"position": "rotary"},
    {"position": "alibi", "n_head": 3},
    {"position": "relative", "n_head": 2},
)


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of each scheme and a long one of what turns; two decoded in chunks; what is learned of distances."""
    tokens = {"tokens.0": CASE.token_array()}
    weights = CASE.seeded(seeds)
    asked: list[Asked] = [
        (Forward(config={**CASE.config, **scheme}, weights=weights, precision=precision), tokens) for scheme in PLAIN
    ]
    long = Forward(config={**LONG.config, "position": "rotary"}, weights=LONG.seeded(seeds), precision=precision)
    asked.append((long, {"tokens.0": LONG.token_array()}))
    asked += [in_chunks({**CASE.config, **scheme}, CASE, CHUNKS, seeds, precision) for scheme in (PLAIN[1], PLAIN[3])]
    learned = Gradients(config={**CASE.config, **PLAIN[3]}, weights=weights, precision=precision)
    return [*asked, (learned, {"tokens": CASE.token_array()})]


def describe(question: AnyQuestion) -> str:
    """``one forward of vocab_size=17, ...``, decoding, or gradients."""
    if isinstance(question, Gradients):
        return f"the gradients with {of(question.config)}"
    return forward.describe(question) if isinstance(question, Forward) else decoding.describe(question)


# Gradients differ more than logits where sums are taken in another order.
COMPARISON: Final = Comparison(id="schemes", questions=questions, describe=describe, lanes=GRADIENTS)
