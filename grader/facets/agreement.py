"""How answers may agree that do not agree bit for bit."""

from grader.compare import close
from grader.facets.facet import Agree
from grader.record import Lane
from grader.sandbox.wire import Tensors


def all_close(tolerance: str) -> Agree:
    """Whether all tensors of two answers agree within a tolerance of the table."""

    def agree(answer: Tensors, expected: Tensors) -> bool:
        return answer.keys() == expected.keys() and all(
            close(answer[name], expected[name], tolerance) for name in expected
        )

    return agree


LOGITS = (
    (Lane.FLOAT64, all_close("logits, float64")),
    (Lane.FLOAT32, all_close("logits, softmax in float32")),
)
GRADIENTS = ((Lane.FLOAT64, all_close("gradients, float64")),)
