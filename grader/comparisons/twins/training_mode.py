"""The logits in training mode, where a backward pass could follow and nothing is dropped."""

from typing import Final

from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly, of
from grader.comparisons.forward import CASES
from grader.comparisons.twins.fresh_model import fresh
from grader.sandbox.questions import AnyQuestion, Forward, Precision
from grader.seeds import Seeds


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A small model with the grader's weights, and one as training begins with."""
    return in_modes((True,), seeds, precision)


def in_modes(modes: tuple[bool, ...], seeds: Seeds, precision: Precision) -> list[Asked]:
    """The two models, each put into these modes in turn and asked the same; True is training."""
    case = CASES[0]
    small = Forward(config=case.config, weights=case.seeded(seeds), precision=precision, modes=modes, recording=True)
    return [(small, {f"tokens.{i}": case.token_array() for i in range(len(modes))}), fresh(modes, seeds, precision)]


def describe(question: AnyQuestion) -> str:
    """``training mode with vocab_size=5, ...``."""
    assert isinstance(question, Forward)
    return f"training mode with {of(question.config)}"


COMPARISON: Final = Comparison(
    id="training-mode",
    questions=questions,
    describe=describe,
    lanes=LOGITS,
    nearly=nearly,
    after=("default-sizes", "fresh-model"),
)
