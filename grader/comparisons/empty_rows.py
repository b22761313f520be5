"""Logits and gradients of a batch in which one row is nothing but padding."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import GRADIENTS, Asked, Comparison, of
from grader.comparisons.forward import CASES
from grader.sandbox.questions import AnyQuestion, Gradients, Precision
from grader.seeds import Seeds

LENGTHS: Final = (0, 3)


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One small batch, of which only the second row has tokens."""
    case = CASES[0]
    question = Gradients(config=case.config, weights=case.seeded(seeds), precision=precision)
    return [(question, {"tokens": case.token_array(), "lengths": np.array(LENGTHS)})]


def describe(question: AnyQuestion) -> str:
    """``the gradients of a batch with an empty row, with vocab_size=5, ...``."""
    assert isinstance(question, Gradients)
    return f"the gradients of a batch with an empty row, with {of(question.config)}"


COMPARISON: Final = Comparison(id="empty-rows", questions=questions, describe=describe, lanes=GRADIENTS)
