"""One run of the candidate's tests against one package, in a worker of its own."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grader.oracle import Crew
from grader.printable import one_line, printable
from grader.record import Outcome
from grader.sandbox.errors import WorkerDied, WorkerFailed, WorkerTimedOut
from grader.sandbox.questions import Answered, Malformed, Raised, RunTests
from grader.sandbox.wire import Tensors

CONFTEST: Final = "conftest.py"
NO_TESTS: Final = 5  # pytest's exit code
MAX_MESSAGE: Final = 600  # characters
UNTOLD: Final = "what came of the tests was not told"

Files = Mapping[str, str]
"""File name to source text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of one run: passed where some test ran, and all that ran did."""

    outcome: Outcome
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

    def run(self, package: Files, limit: float, *, again: bool = True) -> Ran:
        """The tests against ``package``, in a fresh worker, which gets ``limit`` seconds."""
        worker = self.crew.spawn({**package, **self.tests}, purpose="tests")
        started = time.perf_counter()
        try:
            worker.send(self._question(), {}, limit)
            outcome, message = _read(*worker.receive())
            output = worker.output()
        except WorkerFailed as failed:
            if isinstance(failed, WorkerDied) and failed.killed and again:
                return self.run(package, limit, again=False)  # locked, it cannot kill itself: was memory short?
            outcome, message = _failure(failed, limit)
            output = worker.last_output
        finally:
            worker.close()
        return Ran(
            outcome=outcome,
            message=one_line(message)[:MAX_MESSAGE],
            seconds=round(time.perf_counter() - started, 4),
            output=printable(output),
        )

    def _question(self) -> RunTests:
        modules = tuple(name.removesuffix(".py") for name in sorted(self.tests) if name != CONFTEST)
        return RunTests(modules=modules, conftest=CONFTEST in self.tests)


def _failure(failed: WorkerFailed, limit: float) -> tuple[Outcome, str]:
    if isinstance(failed, WorkerTimedOut):
        return Outcome.TIMED_OUT, f"they do not end within {limit:.0f} s"
    return Outcome.BROKEN, str(failed)


def _read(reply: Answered | Raised | Malformed, answer: Tensors) -> tuple[Outcome, str]:
    match reply:
        case Raised(type=type, message=message):
            return Outcome.BROKEN, f"{type}: {message}" if message else type
        case Malformed(message=message):
            return Outcome.BROKEN, message
    try:
        code, passed, skipped = (int(answer[name]) for name in ("exit", "passed", "skipped"))
        test, _, said = answer["failure"].tobytes().decode("utf-8", "replace").partition("\n")
    except KeyError as missing:
        if missing.args != ("failure",):
            return Outcome.BROKEN, UNTOLD
    except (TypeError, ValueError, OverflowError):
        return Outcome.BROKEN, UNTOLD
    else:
        return Outcome.FAILED, f"{test}: {said}"
    if code not in (0, NO_TESTS):
        return Outcome.FAILED, f"pytest was left before the end (exit code {code})"
    if not passed:
        return Outcome.FAILED, f"no test was run; skipped: {skipped}" if skipped else "no test was run"
    return Outcome.PASSED, ""
