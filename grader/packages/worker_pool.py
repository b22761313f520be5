"""The workers of one grade, and what is known of the packages that they have loaded."""

import contextlib
import math
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from grader.limits import PARDONED_DEATHS, REST_POLL_SECONDS
from grader.packages.trouble import Stopped
from grader.packages.unresponsive import Unresponsive
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.control import Purpose, Started
from grader.sandbox.errors import LauncherFailed, WorkerDied
from grader.sandbox.questions import (
    AnyQuestion,
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

    def unresponsive(self, files: Mapping[str, str]) -> Unresponsive:
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
