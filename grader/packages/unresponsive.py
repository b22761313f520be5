"""What is known of a package that does not answer, so that its time-outs are not waited for again and again."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Final

from grader.limits import UNANSWERED_MAX_QUESTIONS
from grader.sandbox.questions import AnyQuestion, Forward, Import, TrainSteps, Watched, WatchedTraining, modules_asked

RUN_FORWARD: Final = frozenset(  # kinds of questions that forward has to answer, too
    {
        "Forward",
        "Forward, classify",
        "OneHead",
        "Gradients",
        "Influence",
        "Loss",
        "Evaluate",
        "WatchedEvaluation",
        "Fit",
        "Classify",
        "OwnRun",
        "TwinRun",
        "FitWeighted",
        "Flops",
    }
)
RUN_TRAIN: Final = frozenset({"OwnRun", "TwinRun"})  # kinds that train has to answer, too
RUN_TRAIN_STEP: Final = RUN_TRAIN | {"RecordSteps", "TrainSteps, whole"}
RUN: Final = {"Forward": RUN_FORWARD, "TrainSteps": RUN_TRAIN_STEP, "TrainSteps, whole": RUN_TRAIN}
WATCHED: Final = {"forward": "Forward", "forward-incremental": "Decode", "generate": "Generate"}


class Unresponsive:
    """How often, and with what, one package kept us waiting: in whichever worker, and for whichever thread."""

    def __init__(self) -> None:
        self.seconds = 0.0  # of its own that all its answers have taken together
        self._answered: set[str] = set()  # kinds of questions
        self._hung: Counter[str] = Counter()
        self._faults: dict[str, Exception | None] = {}  # by module: what its import ends every worker with, if any does
        self._trying = threading.Lock()  # to import one: of two threads one waits for what the other finds
        self._counting = threading.Lock()

    def count_spent(self, seconds: float) -> None:
        """Note what an answer, or waiting for one that did not come, has taken."""
        with self._counting:
            self.seconds += seconds

    def hangs(self, question: AnyQuestion) -> bool:
        """Whether asking would only cost another deadline. Where forward hangs, so does all that runs it, and where
        train_step does, so does all that trains.
        """
        kind = _kind(question)
        return self._never_ends(kind) or any(kind in runs and self._never_ends(part) for part, runs in RUN.items())

    def _never_ends(self, kind: str) -> bool:
        """One question is enough where none of its kind was ever answered; else it may be slow for what is large."""
        return self._hung[kind] >= (UNANSWERED_MAX_QUESTIONS if kind in self._answered else 1)

    def fault(self, question: AnyQuestion) -> Exception | None:
        """What is known to keep the modules that a question is put to from being imported."""
        return next(filter(None, map(self._faults.get, modules_asked(question))), None)

    def fault_of(self, module: str) -> Exception | None:
        """What is known to keep a module from being imported."""
        return self._faults.get(module)

    def know_fault(self, module: str, fault: Exception) -> None:
        """Note that no question that needs a module will be answered, and by what."""
        with self._trying:
            self._faults[module] = fault

    def count_hung(self, question: AnyQuestion) -> None:
        """Note that a question got no answer in time, nor when it was asked again."""
        with self._counting:
            self._hung[_kind(question)] += 1

    def count_answered(self, question: AnyQuestion) -> None:
        """Note that a question was answered, whatever with."""
        with self._counting:
            self._answered.add(_kind(question))

    def try_imports(self, question: AnyQuestion, fault: Callable[[str], Exception | None]) -> None:
        """After a question that got no answer: did it ever come to be asked? If importing a module gives none either,
        no other question to it will get one. ``fault`` tries that, once for each module.
        """
        for module in modules_asked(question):
            with self._trying:
                if module not in self._faults:
                    self._faults[module] = fault(module)


def _kind(question: AnyQuestion) -> str:
    """What a question is counted as when it gets no answer: one that watches a call as one that makes it."""
    name = type(question).__name__
    match question:
        case Import(module=module):  # that one module hangs says nothing of the other
            return f"{name}, {module}"
        case Forward(classify=True):
            return f"{name}, classify"
        case TrainSteps(whole=True) | WatchedTraining(by_step=False):
            return "TrainSteps, whole"
        case WatchedTraining():
            return "TrainSteps"
        case Watched(call=call):
            return WATCHED[call]
        case _:
            return name
