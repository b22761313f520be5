"""One run of the candidate's tests against one package, in a worker of its own."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grader.oracle import Crew
from grader.printable import one_line, printable
from grader.record import Outcome
from grader.sandbox.errors import WorkerDied, WorkerFailed, WorkerTimedOut
from grader.sandbox.questions import Malformed, Raised, Reply, RunTests
from grader.sandbox.wire import Tensors

CONFTEST: Final = "conftest.py"
NO_TESTS: Final = 5  # pytest's exit code
MAX_MESSAGE: Final = 600  # characters

Files = Mapping[str, str]
"""File name to source text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of one run: passed where some test ran, and all that ran did.

    Attributes:
        test: the id of the one that failed, if it was one of them.
    """

    outcome: Outcome
    test: str = ""
    message: str = ""
    seconds: float = 0.0
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

    crew: Crew
    tests: Files

    def run(self, package: Files, limit: float, *, pardoned: bool = False) -> Ran:
        """The tests against ``package``, in a fresh worker, which gets ``limit`` seconds."""
        worker = self.crew.spawn({**package, **self.tests}, purpose="tests")
        started = time.perf_counter()
        try:
            worker.send(self._question(), {}, limit)
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
            output=printable(output),
        )

    def _question(self) -> RunTests:
        modules = tuple(name.removesuffix(".py") for name in sorted(self.tests) if name != CONFTEST)
        return RunTests(modules=modules, conftest=CONFTEST in self.tests)


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
        return Outcome.BROKEN, "", "what came of the tests was not told"
    if failure:
        test, _, said = failure.partition("\n")
        return Outcome.FAILED, test, said
    if code not in (0, NO_TESTS):
        return Outcome.FAILED, "", f"pytest was left before the end (exit code {code})"
    if not passed:
        return Outcome.FAILED, "", f"no test was run; skipped: {skipped}" if skipped else "no test was run"
    return Outcome.PASSED, "", ""
