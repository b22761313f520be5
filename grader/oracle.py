"""One package to put questions to: the candidate, the reference, or a variant of it."""

import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Final, Self

from grader.sandbox.client import Launcher, Worker
from grader.sandbox.errors import WorkerFailed, WorkerTimedOut
from grader.sandbox.questions import Answered, AnyQuestion, Malformed, Raised
from grader.sandbox.wire import Tensors

PATIENCE: Final = 2  # time-outs of one kind of question before it is not asked any more
RUN_FORWARD: Final = frozenset({"Forward", "Influence", "Loss", "Evaluate", "Fit", "OwnRun"})


class Trouble(Exception):
    """The package gave no answer. ``kind`` tells apart ways of failing that are not the same."""

    kind = "trouble"
    traceback: str | None = None
    trusted = False  # it was the reference, or a variant of it, that gave none: our side


class PackageRaised(Trouble):
    """Its code raised an exception."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(f"{raised.type}: {raised.message}" if raised.message else raised.type)
        self.raised = raised
        self.traceback = raised.traceback
        self.kind = f"raised {raised.type}"

    def is_a(self, name: str) -> bool:
        """Whether the exception's class is, or derives from, the built-in ``name``."""
        return name in self.raised.bases


class PackageMisanswered(Trouble):
    """Its code returned something that the contract does not allow."""

    kind = "misanswered"


class PackageDied(Trouble):
    """Its process ended, or wrote something that is not an answer."""

    kind = "died"


class PackageHung(Trouble):
    """It gave no answer in time."""

    kind = "hung"


class Oracle:
    """Puts questions to one package, in a worker that is replaced whenever it fails.

    Args:
        name: for messages.
        files: the package, file name to source.
        timeout: seconds for one question.
        trusted: the package is ours; what goes wrong with it is not the candidate's doing.
    """

    def __init__(
        self, launcher: Launcher, name: str, files: Mapping[str, str], timeout: float, *, trusted: bool = False
    ) -> None:
        self.name = name
        self.files = dict(files)
        self._launcher = launcher
        self._timeout = timeout
        self._trusted = trusted
        self._worker: Worker | None = None
        self._hung: Counter[str] = Counter()
        self._output = ""

    def ask(self, question: AnyQuestion, tensors: Tensors) -> Tensors:
        """The answer's tensors. Raises ``Trouble`` when the package gives none."""
        self.send(question, tensors)
        return self.receive()

    def send(self, question: AnyQuestion, tensors: Tensors) -> None:
        """Put a question without waiting, so that two packages can work at once."""
        self._asked = type(question).__name__
        self._failure: Trouble | None = None
        if self._has_hung(self._asked):
            self._failure = PackageHung(f"not asked again: it gave no answer {PATIENCE} times before")
            return
        try:
            self.worker.send(question, tensors, self._timeout)
        except WorkerFailed as error:
            self._failure = self._lost(error)

    def receive(self) -> Tensors:
        """The answer to the question sent."""
        try:
            return self._receive()
        except Trouble as trouble:
            trouble.trusted = self._trusted
            raise

    def _receive(self) -> Tensors:
        if self._failure is not None:
            raise self._failure
        try:
            reply, tensors = self.worker.receive()
        except WorkerFailed as error:
            raise self._lost(error) from None
        match reply:
            case Answered():
                return tensors
            case Raised():
                raise PackageRaised(reply)
            case Malformed(message=message):
                raise PackageMisanswered(message)

    @property
    def worker(self) -> Worker:
        """The worker at hand, a fresh one if there is none."""
        if self._worker is None:
            self._worker = self._launcher.spawn(self.files)
        return self._worker

    def another(self) -> "Oracle":
        """The same package in a worker of its own, which has seen nothing this one has seen."""
        other = Oracle(self._launcher, self.name, self.files, self._timeout, trusted=self._trusted)
        other._hung = self._hung
        return other

    def printed(self) -> str:
        """What the package has printed in the worker at hand, or in the one that was lost last."""
        return self._worker.output() if self._worker is not None else self._output

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _has_hung(self, kind: str) -> bool:
        """Whether asking would only cost another deadline. Where forward hangs, so does all that runs it."""
        return self._hung[kind] >= PATIENCE or (kind in RUN_FORWARD and self._hung["Forward"] >= PATIENCE)

    def _lost(self, error: WorkerFailed) -> Trouble:
        self._output = self.worker.last_output
        self._worker = None
        if isinstance(error, WorkerTimedOut):
            self._hung[self._asked] += 1
            return PackageHung(f"no answer within {self._timeout:g} s")
        return PackageDied(str(error))


def ask_both(first: Oracle, second: Oracle, question: AnyQuestion, tensors: Tensors) -> tuple[Tensors, Tensors]:
    """The answers of two packages to one question, worked out at the same time.

    Raises the first one's ``Trouble`` before the second one's.
    """
    if first is second:
        answer = first.ask(question, tensors)
        return answer, answer
    first.send(question, tensors)
    second.send(question, tensors)
    try:
        answer = first.receive()
    except Trouble:
        with contextlib.suppress(Trouble):
            second.receive()
        raise
    return answer, second.receive()
