"""One run of the candidate's tests against one package, in a worker of its own."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from grader.files.printable import one_line, printable
from grader.limits import OWN_TESTS_ALL_TIMEOUT_FACTOR, OWN_TESTS_SLACK_SECONDS, OWN_TESTS_TIMEOUT_FACTOR
from grader.packages.worker_pool import THREADS, WorkerPool
from grader.result.record import Outcome
from grader.sandbox.errors import WorkerDied, WorkerFailed, WorkerTimedOut
from grader.sandbox.questions import Malformed, Raised, Reply, RunTests
from grader.sandbox.wire import Tensors

CONFTEST: Final = "conftest.py"
NO_TESTS: Final = 5  # pytest's exit code
MAX_MESSAGE: Final = 600  # characters
SLOW: Final = "they do not end in the time that they took before"  # how long that was differs a little each time

Files = Mapping[str, str]
"""File name to source text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of one run: passed where some test ran, and all that ran did.

    Attributes:
        test: the id of the one that failed, if it was one of them.
        seconds: by the clock, for who reads of it.
        spent: seconds of the worker's own, computing or asleep.
    """

    outcome: Outcome
    test: str = ""
    message: str = ""
    seconds: float = 0.0
    spent: float = 0.0
    output: str = ""

    @property
    def passed(self) -> bool:
        """Whether the tests have nothing to object to."""
        return self.outcome is Outcome.PASSED


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the same tests against one package after another.

    Attributes:
        tests: the modules of tests, and maybe a conftest.py.
    """

    worker_pool: WorkerPool
    tests: Files

    def run(self, package: Files, limit: float, *, pardoned: bool = False) -> Ran:
        """The tests against ``package``, in a fresh worker, which gets ``limit`` seconds of its own."""
        worker = self.worker_pool.spawn({**package, **self.tests}, purpose="tests")
        started = time.perf_counter()
        try:
            self.worker_pool.put(worker, self._question(), {}, limit)
            outcome, test, message = _read(*worker.receive())
            output = worker.output()
        except WorkerFailed as failed:
            if isinstance(failed, WorkerDied) and failed.killed and not pardoned:
                # Locked, it cannot kill itself: the machine may have been short of memory.
                return self.run(package, limit, pardoned=True)
            outcome, test, message = _failure(failed, limit)
            output = worker.last_output
        finally:
            worker.close()
        return Ran(
            outcome=outcome,
            test=test,
            message=one_line(f"{test}: {message}" if test else message)[:MAX_MESSAGE],
            seconds=round(time.perf_counter() - started, 4),
            spent=worker.spent,
            output=printable(output),
        )

    def run_surely(self, package: Files, limit: float) -> Ran:
        """The same where a time-out would cost points: it must happen twice, the second time alone."""
        ran = self.run(package, limit)
        if ran.outcome is not Outcome.TIMED_OUT:
            return ran
        with self.worker_pool.alone():
            return self.run(package, limit)

    def _question(self) -> RunTests:
        modules = tuple(name.removesuffix(".py") for name in sorted(self.tests) if name != CONFTEST)
        return RunTests(modules=modules, conftest=CONFTEST in self.tests)


class Runs:
    """Runs on several packages, in a random order, with one limit to the time of all.

    Args:
        first: seconds of its own that the worker took for the tests on the package itself.
        timeout: seconds that one question may take.
    """

    def __init__(self, runner: Runner, pool: Executor, random: Random, first: float, timeout: float) -> None:
        self._runner = runner
        self._pool = pool
        self._random = random
        self._on_a_mutant = min(3 * first + OWN_TESTS_SLACK_SECONDS, OWN_TESTS_TIMEOUT_FACTOR * timeout)
        self._on_the_package = max(3 * first + OWN_TESTS_SLACK_SECONDS, OWN_TESTS_TIMEOUT_FACTOR * timeout)
        self._in_all = THREADS * OWN_TESTS_ALL_TIMEOUT_FACTOR * timeout
        self._spent: list[float] = []
        self._failed = False

    def of(self, packages: Sequence[Files], controls: int) -> list[Ran | None]:
        """What came of each, in their order: None where there was no time left, or no need.

        Args:
            controls: how many of the packages, the first ones, have nothing wrong with them. They are run however late
                it is; once the tests have failed on one, nothing more has to be known.
        """

        def run(place: int) -> Ran | None:
            is_control = place < controls
            if self._failed or (not is_control and sum(self._spent) > self._in_all):
                return None
            if is_control:
                ran = self._runner.run_surely(packages[place], self._on_the_package)
            else:
                ran = self._runner.run(packages[place], self._on_a_mutant)
            self._spent.append(ran.spent)
            if ran.outcome is Outcome.TIMED_OUT:
                ran = replace(ran, message=SLOW)
            self._failed = self._failed or (is_control and not ran.passed)
            return ran

        order = self._random.sample(range(len(packages)), len(packages))
        ran = dict(zip(order, self._pool.map(run, order), strict=True))
        return [ran[place] for place in range(len(packages))]


def _failure(failed: WorkerFailed, limit: float) -> tuple[Outcome, str, str]:
    if isinstance(failed, WorkerTimedOut):
        return Outcome.TIMED_OUT, "", f"they do not end within {limit:.0f} s"
    return Outcome.BROKEN, "", str(failed)


def _read(reply: Reply, answer: Tensors) -> tuple[Outcome, str, str]:
    """Outcome, the test that failed, and what there is to say."""
    match reply:
        case Raised(type=type, message=message):
            return Outcome.BROKEN, "", f"{type}: {message}" if message else type
        case Malformed(message=message):
            return Outcome.BROKEN, "", message
    try:
        code, passed, skipped = (int(answer[name]) for name in ("exit", "passed", "skipped"))
        failure = answer["failure"].tobytes().decode("utf-8", "replace") if "failure" in answer else ""
    except (KeyError, TypeError, ValueError, OverflowError):
        return Outcome.BROKEN, "", "the tests gave no result"
    if failure:
        test, _, said = failure.partition("\n")
        return Outcome.FAILED, test, said
    if code not in (0, NO_TESTS):
        return Outcome.FAILED, "", f"pytest was left before the end (exit code {code})"
    if not passed:
        return Outcome.FAILED, "", f"no test was run; skipped: {skipped}" if skipped else "no test was run"
    return Outcome.PASSED, "", ""
