"""One package to put questions to: the candidate, the reference, or a variant of it."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Self

from grader.errors import UsageError
from grader.limits import IMPORT_TIMEOUT_FACTOR, RUN_TIMEOUT_FACTOR
from grader.packages.scope import scope_of
from grader.packages.trouble import (
    PackageDied,
    PackageDoesNotRun,
    PackageHung,
    PackageMisanswered,
    PackageRaised,
    Trouble,
    places_in,
)
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Scope
from grader.sandbox.connection import Worker
from grader.sandbox.errors import WorkerDied, WorkerFailed, WorkerTimedOut
from grader.sandbox.questions import (
    Answered,
    AnyQuestion,
    Import,
    Malformed,
    Raised,
    Reply,
    TwinRun,
)
from grader.sandbox.wire import Tensors
from grader.sizes import Extent, at_most, largest


class Package:
    """Puts questions to one package, in a worker that is replaced whenever it fails.

    Attributes:
        scope: how far the questions went that it was put since somebody emptied this.
        spent: seconds of its own that its answers have taken.

    Args:
        name: for messages.
        files: the package, file name to source.
        timeout: seconds of its own, computing or asleep, for one question.
        trusted: not the candidate's; what goes wrong with it is a failure of the machine.
        ahead: modules that a worker imports before it is asked.
        asks_again: whether to believe that no answer comes in time only when it is asked once more, alone.
    """

    def __init__(
        self,
        worker_pool: WorkerPool,
        name: str,
        files: Mapping[str, str],
        timeout: float,
        *,
        trusted: bool = False,
        ahead: Sequence[str] = (),
        asks_again: bool = True,
    ) -> None:
        self.name = name
        self.files = dict(files)
        self._worker_pool = worker_pool
        self._timeout = timeout
        self._trusted = trusted
        self._ahead = tuple(ahead)
        self._asks_again = asks_again
        self._unresponsive = worker_pool.unresponsive(self.files)
        self._worker: Worker | None = None
        self._output = ""
        self._shown = 0
        self.scope = Scope()
        self.spent = 0.0

    def ask(self, question: AnyQuestion, tensors: Tensors) -> Tensors:
        """The answer's tensors. Raises ``Trouble`` when the package gives none."""
        self.send(question, tensors)
        return self.receive()

    def send(self, question: AnyQuestion, tensors: Tensors) -> None:
        """Put a question without waiting, so that two packages can work at once."""
        self._asked = question, tensors
        self._failure: Trouble | WorkerFailed | None = None
        if not self._trusted and (expected := self._expected(question)) is not None:
            self._failure = expected
            return
        self.scope |= scope_of(question, tensors)
        try:
            self._put()
        except WorkerFailed as error:
            self._failure = error

    def receive(self) -> Tensors:
        """The answer to the question sent."""
        try:
            return self._receive()
        except Trouble as trouble:
            trouble.trusted = self._trusted
            raise

    def _receive(self) -> Tensors:
        reply, tensors = self._reply()
        match reply:
            case Answered():
                return tensors
            case Raised():
                raise PackageRaised(reply, self.files, self._worker_pool.left_to_build)
            case Malformed(message=message):
                raise PackageMisanswered(message)

    def _reply(self) -> tuple[Reply, Tensors]:
        try:
            if self._failure is not None:
                raise self._failure
            return self._collect()
        except WorkerTimedOut:
            return self._reply_when_asked_alone()
        except WorkerDied as died:
            lost = self._lost(died)
            if not self._worker_pool.pardons(died, trusted=self._trusted):
                raise lost from None
        except WorkerFailed as error:
            raise self._lost(error) from None
        return self._reply_when_asked_again()

    def _reply_when_asked_again(self) -> tuple[Reply, Tensors]:
        """After a death that was pardoned."""
        try:
            self._put()
            return self._collect()
        except WorkerTimedOut:
            return self._reply_when_asked_alone()
        except WorkerFailed as error:
            self._worker_pool.convict(trusted=self._trusted)
            raise self._lost(error) from None

    def _reply_when_asked_alone(self) -> tuple[Reply, Tensors]:
        """After no answer in time: it counts when it happens again with no other work beside it."""
        question, _ = self._asked
        self._drop()
        if not self._asks_again:
            raise self._no_answer(question) from None
        if not self._trusted:
            self._unresponsive.try_imports(question, self._deadly)
        try:
            with self._worker_pool.alone():
                # What the import has reported by now, or another thread before this one.
                if not self._trusted and (expected := self._expected(question)) is not None:
                    raise expected from None
                self._put()
                return self._collect()
        except WorkerTimedOut as error:
            self._drop()
            if not self._trusted:
                self._unresponsive.count_hung(question)
            hung = self._no_answer(question)
            hung.stack = places_in(error.stack, self.files)
            raise hung from None
        except WorkerFailed as error:
            raise self._lost(error) from None

    def _put(self) -> None:
        """Put the question at hand to the worker at hand."""
        question, tensors = self._asked
        try:
            self._worker_pool.put(self.worker, question, tensors, self.limit(question))
        except WorkerTimedOut:
            self._count(self.worker.spent)
            raise

    def _collect(self) -> tuple[Reply, Tensors]:
        """The reply of the worker at hand."""
        try:
            reply = self.worker.receive()
        finally:
            self._count(self.worker.spent)
        self._unresponsive.count_answered(self._asked[0])
        return reply

    def _count(self, seconds: float) -> None:
        self.spent += seconds
        self._unresponsive.count_spent(seconds)

    @property
    def worker(self) -> Worker:
        """The worker at hand, a fresh one if there is none."""
        if self._worker is None:
            self._worker = self._worker_pool.spawn(self.files, self._ahead)
        return self._worker

    @property
    def has_adapter(self) -> bool:
        """Whether it keeps no contract, but is called as the exercise's adapter.py says."""
        return self._worker_pool.adapter is not None

    def permitted(self, extent: Extent) -> Extent:
        """These sizes, none beyond those that the exercise's adapter.py permits. Raises ``UsageError``."""
        adapter = self._worker_pool.adapter
        try:
            return extent if adapter is None else at_most(extent, **largest(adapter))
        except ValueError as error:
            raise UsageError(str(error)) from None

    def another(self, ahead: Sequence[str] = ()) -> "Package":
        """The same package in a worker of its own, which has seen nothing this one has seen."""
        return Package(self._worker_pool, self.name, self.files, self._timeout, trusted=self._trusted, ahead=ahead)

    def import_fault(self, module: str) -> Trouble | None:
        """What keeps ``module`` from being imported, in a worker that is asked nothing else; None when nothing does."""
        if (known := self._unresponsive.fault_of(module)) is not None:
            return _again(known)
        with self.another() as fresh, self._worker_pool.alone():
            fresh._asks_again = False  # it is alone already, and mostly because another question got no answer
            try:
                fresh.ask(Import(module=module), {})
            except PackageHung:
                return self._no_answer()
            except Trouble as trouble:
                return trouble
        return None

    def ask_no_more(self, module: str) -> None:
        """A module of it does not run: whatever needs that is answered at once, by ``PackageDoesNotRun``."""
        self._unresponsive.know_fault(module, PackageDoesNotRun(module))

    def limit(self, question: AnyQuestion) -> float:
        """Seconds of its own that an answer may take."""
        patience = {TwinRun: RUN_TIMEOUT_FACTOR, Import: IMPORT_TIMEOUT_FACTOR}
        return self._timeout * patience.get(type(question), 1)

    def printed(self) -> str:
        """What the package has printed since this was last asked, in the worker at hand and in those lost before."""
        everything = self._output + (self._worker.output() if self._worker is not None else "")
        fresh = everything[self._shown :]
        self._shown = len(everything)
        return fresh

    def show_again(self) -> None:
        """What has been printed so far was not shown."""
        self._shown = 0

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _no_answer(self, question: AnyQuestion | None = None) -> PackageHung:
        limit = self._timeout if question is None else self.limit(question)
        return PackageHung(f"no answer within {limit:g} s")

    def _expected(self, question: AnyQuestion) -> Trouble | None:
        """What a question would only cost another deadline or worker to see again.

        In the same words as for one that was asked: which comes first depends on the two threads.
        """
        if (known := self._unresponsive.fault(question)) is not None:
            return _again(known)
        if self._unresponsive.seconds > self._worker_pool.budget:
            return PackageHung(f"no answer: all of its answers took more than {self._worker_pool.budget:g} s")
        return self._no_answer(question) if self._unresponsive.hangs(question) else None

    def _deadly(self, module: str) -> Trouble | None:
        """What importing a module ends its worker with, if it does."""
        fault = self.import_fault(module)
        return fault if isinstance(fault, PackageDied | PackageHung) else None

    def _lost(self, error: WorkerFailed) -> Trouble:
        """What it is called that the worker at hand has failed otherwise than by being late."""
        self._drop()
        if not self._trusted:
            self._unresponsive.try_imports(self._asked[0], self._deadly)
        return PackageDied(str(error))

    def _drop(self) -> None:
        """The worker at hand has failed: it is gone, and what it had printed is kept."""
        self._output += self.worker.last_output
        self._worker = None


def _again(trouble: Exception) -> Trouble:
    """The same trouble, to be raised for another question."""
    if isinstance(trouble, PackageDoesNotRun):
        return PackageDoesNotRun(trouble.module)
    assert isinstance(trouble, PackageDied | PackageHung), trouble
    return type(trouble)(str(trouble))


def ask_both(first: Package, second: Package, question: AnyQuestion, tensors: Tensors) -> tuple[Tensors, Tensors]:
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
