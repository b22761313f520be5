"""What a comparison is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grader.checks.compare import close
from grader.packages.package import Package
from grader.result.record import Lane
from grader.sandbox.questions import AnyQuestion, Precision, Settings
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

Asked = tuple[AnyQuestion, Tensors]
Agree = Callable[[Tensors, Tensors], bool]


def plainly(package: Package, asked: Asked) -> Tensors:
    """What the package answers."""
    return package.ask(*asked)


def everything(answer: Tensors) -> Tensors:
    """All that was answered."""
    return answer


def unsaid(_: str) -> str:
    """Nothing more to say of where two answers differ."""
    return ""


def of(settings: Settings) -> str:
    """``vocab_size=5, ...``."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One side of a package: the questions that two packages are compared by.

    Attributes:
        questions: what is asked, for the seeds of a grade, at a precision.
        describe: a question in words, to follow "in".
        lanes: how answers in float64 may agree that differ in float32, the closest first. None where a solution
            has no choice.
        nearly: how far answers in float32 may be apart that agree in float64; without it they may be anything.
        answer: puts a question to a package, and makes an answer of what comes of it.
        after: of a twin, those that tell more plainly what is wrong; where one of them differs, this one says nothing.
        meaning: by the name of the first tensor that differs, what that tells, to follow ``describe``.
        steady: the part of an answer that a right package gives in every process alike.
    """

    id: str
    questions: Callable[[Seeds, Precision], list[Asked]]
    describe: Callable[[AnyQuestion], str]
    lanes: tuple[tuple[Lane, Agree], ...] = ()
    nearly: Agree | None = None
    answer: Callable[[Package, Asked], Tensors] = plainly
    after: tuple[str, ...] = ()
    meaning: Callable[[str], str] = unsaid
    steady: Callable[[Tensors], Tensors] = everything

    def ask(self, package: Package, asked: Asked) -> Tensors:
        """What a package is compared by. Raises ``Trouble`` when it gives no answer."""
        return self.steady(self.answer(package, asked))


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
