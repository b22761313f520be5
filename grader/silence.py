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
    {"Forward", "Forward, classify", "Influence", "Loss", "Evaluate", "Fit", "Classify", "OwnRun", "FitWeighted"}
)


class Silence:
    """How often, and with what, one package kept us waiting: in whichever worker, and for whichever thread."""

    def __init__(self) -> None:
        self.seconds = 0.0  # that were spent on waiting for it, all questions together
        self._hung: Counter[str] = Counter()
        self._stuck: dict[str, bool] = {}  # whether importing a module hangs, where that was tried
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

    def is_expected(self, question: AnyQuestion) -> bool:
        """Whether asking would only cost another deadline. Where forward hangs, so does all that runs it."""
        if any(map(self.is_stuck, modules_asked(question))):
            return True
        kind = _kind(question)
        return self._hung[kind] >= PATIENCE or (kind in RUN_FORWARD and self._hung["Forward"] >= PATIENCE)

    def is_stuck(self, module: str) -> bool:
        """Whether importing a module is known to hang."""
        return self._stuck.get(module, False)

    def note(self, question: AnyQuestion, hangs_on_import: Callable[[str], bool]) -> None:
        """Note that a question got no answer. If that is because it never came to be asked, no other of its modules'
        will be either: ``hangs_on_import`` finds out, once for each module.
        """
        with self._counting:
            self._hung[_kind(question)] += 1
        for module in modules_asked(question):
            with self._trying:
                if module not in self._stuck:
                    self._stuck[module] = hangs_on_import(module)


def _kind(question: AnyQuestion) -> str:
    """What a question is counted as when it gets no answer."""
    name = type(question).__name__
    return f"{name}, classify" if isinstance(question, Forward) and question.classify else name
