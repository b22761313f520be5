"""How the logits move with each parameter, of full rows and beside one that is nothing but padding."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import GRADIENTS, Asked, Comparison, of, together_close
from grader.comparisons.forward import CASES
from grader.result.record import Lane
from grader.sandbox.questions import AnyQuestion, Gradients, Precision
from grader.seeds import Seeds


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """The smaller cases of the forward: several layers, and every token of a vocabulary."""
    return [
        (
            Gradients(config=case.config, weights=case.seeded(seeds), precision=precision),
            {"tokens": case.token_array()},
        )
        for case in CASES[:2]
    ]


def describe(question: AnyQuestion) -> str:
    """``the gradients of vocab_size=5, ...``."""
    assert isinstance(question, Gradients)
    return f"the gradients of {of(question.config)}"


COMPARISON: Final = Comparison(
    id="gradients",
    questions=questions,
    describe=describe,
    after=("training-mode",),
    lanes=(
        (Lane.FLOAT64, together_close("gradients, float64")),
        (Lane.FLOAT32, together_close("gradients, softmax in float32")),
    ),
)


LENGTHS: Final = (0, 3)


def _empty_rows_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One small batch, of which only the second row has tokens."""
    case = CASES[0]
    question = Gradients(config=case.config, weights=case.seeded(seeds), precision=precision)
    return [(question, {"tokens": case.token_array(), "lengths": np.array(LENGTHS)})]


def _describe_empty_rows(question: AnyQuestion) -> str:
    """``the gradients of a batch with an empty row, with vocab_size=5, ...``."""
    assert isinstance(question, Gradients)
    return f"the gradients of a batch with an empty row, with {of(question.config)}"


EMPTY_ROWS: Final = Comparison(
    id="empty-rows", questions=_empty_rows_questions, describe=_describe_empty_rows, lanes=GRADIENTS
)
