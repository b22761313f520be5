"""The logits of a model that goes from training to evaluation and back, as one does that is evaluated now and then."""

from typing import Final

from grader.comparisons.comparison import LOGITS, Asked, Comparison, nearly, of
from grader.comparisons.twins.training_mode import in_modes
from grader.sandbox.questions import AnyQuestion, Forward, Precision
from grader.seeds import Seeds

MODES: Final = (True, False, True, False)


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A small model with the grader's weights, and one as training begins with."""
    return in_modes(MODES, seeds, precision)


def describe(question: AnyQuestion) -> str:
    """``training mode and evaluation in turn with vocab_size=5, ...``."""
    assert isinstance(question, Forward)
    return f"training mode and evaluation in turn, with {of(question.config)}"


COMPARISON: Final = Comparison(
    id="changing-modes",
    questions=questions,
    describe=describe,
    lanes=LOGITS,
    nearly=nearly,
    after=("training-mode",),
)
