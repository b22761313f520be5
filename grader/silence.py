"""What is known of a package that does not answer, so that nobody waits for the same thing over and over."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from grader.sandbox.questions import AnyQuestion, Forward, modules_asked

PATIENCE: Final = 2  # time-outs of one kind of question before it is not asked any more
RUN_FORWARD: Final = frozenset(
    {
        "Forward",
        "Forward, classify",
        "Influence",
        "Loss",
        "Evaluate",
        "Fit",
        "Classify",
        "OwnRun",
        "TwinRun",
        "FitWeighted",
    }
)


class Silence:
    """How often, and with what, one package kept us waiting: in whichever worker, and for whichever thread."""

    def __init__(self) -> None:
        self.seconds = 0.0  # that were spent on waiting for it, all questions together
        self._hung: Counter[str] = Counter()
        self._faults: dict[str, Exception | None] = {}  # by module: what its import ends every worker with, if any does
        self._trying = threading.Lock()  # to import one: of two threads one waits for what the other finds
        self._counting = threading.Lock()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The time until this is left was spent on waiting for an answer."""
        started = time.monotonic()
        try:
            yield
        finally:
            with self._counting:
                self.seconds += time.monotonic() - started

    def hangs(self, question: AnyQuestion) -> bool:
        """Whether asking would only cost another deadline. Where forward hangs, so does all that runs it."""
        kind = _kind(question)
        return self._hung[kind] >= PATIENCE or (kind in RUN_FORWARD and self._hung["Forward"] >= PATIENCE)

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
        """Note that a question got no answer in time."""
        with self._counting:
            self._hung[_kind(question)] += 1

    def try_imports(self, question: AnyQuestion, fault: Callable[[str], Exception | None]) -> None:
        """After a question that got no answer: did it ever come to be asked? If importing a module gives none either,
        no other question to it will get one. ``fault`` tries that, once for each module.
        """
        for module in modules_asked(question):
            with self._trying:
                if module not in self._faults:
                    self._faults[module] = fault(module)


def _kind(question: AnyQuestion) -> str:
    """What a question is counted as when it gets no answer."""
    name = type(question).__name__
    return f"{name}, classify" if isinstance(question, Forward) and question.classify else name
