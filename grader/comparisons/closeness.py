"""How answers may agree that do not agree bit for bit."""

import numpy as np

from grader.checks.compare import close
from grader.comparisons.comparison import Agree
from grader.result.record import Lane
from grader.sandbox.wire import Tensors


def all_close(tolerance: str) -> Agree:
    """Whether all tensors of two answers agree within a tolerance of the table."""

    def agree(answer: Tensors, expected: Tensors) -> bool:
        return answer.keys() == expected.keys() and all(
            close(answer[name], expected[name], tolerance) for name in expected
        )

    return agree


def together_close(tolerance: str) -> Agree:
    """The same where some tensors may be nothing but rounding: each is measured by the largest value of any."""

    def agree(answer: Tensors, expected: Tensors) -> bool:
        if answer.keys() != expected.keys() or any(answer[name].shape != expected[name].shape for name in expected):
            return False
        one, other = (np.concatenate([side[name].ravel() for name in expected]) for side in (answer, expected))
        return close(one, other, tolerance)

    return agree


nearly = all_close("logits, float32, another order")
LOGITS = (
    (Lane.FLOAT64, all_close("logits, float64")),
    (Lane.FLOAT32, all_close("logits, softmax in float32")),
)
GRADIENTS = ((Lane.FLOAT64, all_close("gradients, float64")),)
