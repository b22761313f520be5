"""The workers of one grade, and what is known of the packages that they have loaded.

What is known of one that does not answer keeps its time-outs from being waited for again and again.
"""

import contextlib
import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from grader.limits import PARDONED_DEATHS, REST_POLL_SECONDS, UNANSWERED_MAX_QUESTIONS
from grader.packages.trouble import Stopped
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.control import Purpose, Started
from grader.sandbox.errors import LauncherFailed, WorkerDied
from grader.sandbox.questions import (
    AnyQuestion,
    Forward,
    Import,
    TrainSteps,
    Watched,
    WatchedTraining,
    modules_asked,
)
from grader.sandbox.wire import Tensors


class WorkerPool:
    """The workers of one grade: made through here, so that they can all be ended at once.

    Args:
        budget: seconds of its own that a package may take, all questions together; a trusted one may take longer.
        left_to_build: names that a package of the candidate's may lack.
        adapter: the exercise's adapter.py, if its packages keep no contract.
    """

    def __init__(
        self,
        launcher: Launcher,
        budget: float = math.inf,
        left_to_build: Collection[str] = (),
        *,
        adapter: str | None = None,
    ) -> None:
        self._launcher = launcher
        self._workers: list[Worker] = []
        self._stopped = False
        self.budget = budget
        self.left_to_build = left_to_build
        self.adapter = adapter
        self._silences: dict[frozenset[tuple[str, str]], Unresponsive] = defaultdict(Unresponsive)  # by files
        self._counting = threading.Lock()
        self._turn = threading.Condition()
        self._putting = 0  # questions that are being put this moment
        self._alone: int | None = None  # the thread that asks alone
        self.pardon_anew()

    @property
    def started(self) -> Started:
        """What its workers run on. Raises ``LauncherFailed``."""
        return self._launcher.started

    def spawn(self, files: Mapping[str, str], ahead: Sequence[str] = (), purpose: Purpose = "answers") -> Worker:
        """A fresh worker. Raises ``Stopped`` when the grade is being given up or the launcher has failed."""
        if self._stopped:
            raise Stopped
        worker = self._launcher.spawn(files, ahead, purpose, self.adapter)
        self._workers.append(worker)
        if self._stopped:  # meanwhile: the list may have been walked before this one was on it
            worker.kill()
            raise Stopped
        return worker

    def put(self, worker: Worker, question: AnyQuestion, tensors: Tensors, timeout: float) -> None:
        """Put a question to a worker, unless somebody asks alone: then afterwards."""
        if self._alone == threading.get_ident():
            worker.send(question, tensors, timeout)
            return
        with self._turn:
            self._turn.wait_for(lambda: self._alone is None)
            self._putting += 1
        try:
            worker.send(question, tensors, timeout)
        finally:
            with self._turn:
                self._putting -= 1
                self._turn.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Meanwhile this thread puts questions, no other one does, and no worker still computes an earlier answer."""
        with self._turn:
            self._turn.wait_for(lambda: self._alone is None)
            self._alone = threading.get_ident()
            self._turn.wait_for(lambda: not self._putting)
        try:
            while any(worker.is_busy() for worker in list(self._workers)):
                time.sleep(REST_POLL_SECONDS)
            yield
        finally:
            with self._turn:
                self._alone = None
                self._turn.notify_all()

    def unresponsive(self, files: Mapping[str, str]) -> "Unresponsive":
        """What is known of a package's keeping silent; the same for all that ask the same package."""
        with self._counting:
            return self._silences[frozenset(files.items())]

    def pardons(self, died: WorkerDied, *, trusted: bool) -> bool:
        """Whether a death may have been the machine's doing, short of memory, and the question be put once more.

        A trusted package has no other reason to die. The candidate's cannot be killed by others, but do all the
        rest by itself. Each is pardoned a few times a grade: a crash that repeats is its own.
        """
        with self._counting:
            if not (trusted or died.killed) or not self._pardons[trusted]:
                return False
            self._pardons[trusted] -= 1
            return True

    def pardon_anew(self) -> None:
        """As many pardons as at first: another grade begins."""
        with self._counting:
            self._pardons = dict.fromkeys((True, False), PARDONED_DEATHS)  # by whether the package is trusted

    def forget_ended(self) -> None:
        """Let go of workers that have ended, while no other thread makes any."""
        self._workers = [worker for worker in self._workers if not worker.has_ended]

    def convict(self, *, trusted: bool) -> None:
        """No more pardons: it died of the same question again."""
        with self._counting:
            self._pardons[trusted] = 0

    def stop(self) -> None:
        """Kill all workers: waiting callers learn that theirs died, and then that the grade has stopped."""
        self._stopped = True
        for worker in list(self._workers):
            worker.kill()

    def close(self) -> None:
        """End all workers, when no caller waits for any, and wait until they are gone."""
        for worker in self._workers:
            worker.close()
        with contextlib.suppress(LauncherFailed):
            self._launcher.settle()


THREADS: Final = 2


@contextmanager
def threads(worker_pool: WorkerPool, count: int = THREADS) -> Iterator[ThreadPoolExecutor]:
    """A few threads; when anything fails, all workers are ended, so that none of them waits for an answer."""
    with ThreadPoolExecutor(max_workers=count) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            worker_pool.stop()
            raise


RUN_FORWARD: Final = frozenset(  # kinds of questions that forward has to answer, too
    {
        "Forward",
        "Forward, classify",
        "OneHead",
        "Gradients",
        "Influence",
        "Loss",
        "JointLosses",
        "PairedRuns",
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
RUN_TRAIN: Final = frozenset({"OwnRun", "TwinRun", "PairedRuns"})  # kinds that train has to answer, too
RUN_TRAIN_STEP: Final = RUN_TRAIN | {"RecordSteps", "TrainSteps, whole"}
RUN: Final = {"Forward": RUN_FORWARD, "TrainSteps": RUN_TRAIN_STEP, "TrainSteps, whole": RUN_TRAIN}
WATCHED: Final = {
    "forward": "Forward",
    "classify": "Forward, classify",
    "forward-incremental": "Decode",
    "generate": "Generate",
}


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
