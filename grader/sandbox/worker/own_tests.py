"""Run a package's own tests with pytest, from memory: there is no file of them, and no disk to write to.

Tests are code that nobody trusts, and they run where their outcome is noted down: they can have it say what they like.
What they are not told is which of many packages they are run against.
"""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import numpy as np
import pytest

from grader.sandbox.questions import RunTests
from grader.sandbox.wire import Array
from grader.sandbox.worker.package import SourcePackage
from grader.sandbox.worker.raised import message_of, own_frames, sendable

MAX_FAILURES: Final = 5
MAX_TEXT: Final = 800  # characters of what is told of one failure
NO_DISK: Final = "there is no disk to write to here: keep what is saved in memory, as io.BytesIO does"

# What reads or writes files, reports in its own way, or changes how the process takes errors.
_LEFT_OUT: Final = (
    "cacheprovider", "doctest", "faulthandler", "junitxml", "legacypath", "logging", "pastebin", "setuponly",
    "setupplan", "stepwise", "terminal", "threadexception", "tmpdir", "unraisableexception",
)  # fmt: skip
_ARGUMENTS: Final = (
    "-c", os.devnull, "--rootdir=/", "--noconftest", "--assert=plain", "--capture=no",
    *(f"-pno:{plugin}" for plugin in _LEFT_OUT),
)  # fmt: skip


@cache
def rehearse() -> None:
    """Run no test at all: pytest imports most of what it needs only then."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # whatever is installed here, it is no part of a submission
    package = SourcePackage({})
    pytest.main([*_ARGUMENTS], plugins=[_Collection(package, ()), _Tally(package)])


def run_tests(package: SourcePackage, question: RunTests) -> dict[str, Array]:
    tally = _Tally(package)
    plugins: list[object] = [_Collection(package, question.modules), tally]
    if question.conftest:
        plugins.append(package.module("conftest"))
    vars(os).update(chdir=lambda _: None)  # pytest goes back to where it is already, which the lock denies
    code = pytest.main([*_ARGUMENTS, *(["--maxfail=1"] if question.stop else [])], plugins=plugins)
    return {"exit": np.array(int(code)), **tally.answer()}


class _Collection:
    """Has pytest collect modules that were imported from memory, and gives fixtures that want a disk a reason."""

    def __init__(self, package: SourcePackage, names: Sequence[str]) -> None:
        self._package = package
        self._names = names

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        session.items = []
        for name in self._names:
            module = _ModuleInMemory.from_parent(
                session, path=Path(f"/{name}.py"), load=lambda name=name: self._package.module(name)
            )
            session.items.extend(session.genitems(module))
        session.config.pluginmanager.check_pending()
        hook = session.config.hook
        hook.pytest_collection_modifyitems(session=session, config=session.config, items=session.items)
        hook.pytest_collection_finish(session=session)
        session.testscollected = len(session.items)
        return True

    @pytest.fixture
    def tmp_path(self) -> NoReturn:
        pytest.fail(NO_DISK)

    @pytest.fixture(scope="session")
    def tmp_path_factory(self) -> NoReturn:
        pytest.fail(NO_DISK)


class _ModuleInMemory(pytest.Module):
    """A module of tests that no file is read for."""

    def __init__(self, *, load: Any, **options: Any) -> None:
        super().__init__(**options)
        self._load = load

    def _getobj(self) -> ModuleType:
        module: ModuleType = self._load()
        return module


class _Tally:
    """Counts the tests by what came of them, and keeps the first failures."""

    def __init__(self, package: SourcePackage) -> None:
        self._package = package
        self._counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
        self._failures: dict[str, str] = {}

    def answer(self) -> dict[str, Array]:
        """The answer, but for the exit code."""
        answer: dict[str, Array] = {name: np.array(count) for name, count in self._counts.items()}
        for i, (test, said) in enumerate(list(self._failures.items())[:MAX_FAILURES]):
            text = sendable(f"{test[:MAX_TEXT]}\n{said[:MAX_TEXT]}")
            answer[f"failure.{i}"] = np.frombuffer(text.encode(), np.uint8)
        return answer

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.tbstyle = "native"  # the quickest to make: nobody reads it

    def pytest_exception_interact(
        self, call: pytest.CallInfo[object], report: pytest.TestReport | pytest.CollectReport
    ) -> None:
        assert call.excinfo is not None
        self._failures[report.nodeid] = self._told(call.excinfo.value)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._count("failed", report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._count("failed", report.nodeid)
        elif report.skipped:
            self._count("skipped")
        elif report.when == "call":
            self._count("passed")

    def _count(self, outcome: str, test: str | None = None) -> None:
        self._counts[outcome] += 1
        if test is not None:
            self._failures.setdefault(test, "it failed")  # without an exception: it passed where it was to fail

    def _told(self, error: BaseException) -> str:
        """What was raised, and the last line of the submission's own on the way there."""
        message = message_of(error)
        said = f"{type(error).__name__}: {message}" if message else type(error).__name__
        frames = own_frames(self._package, error.__traceback__)
        return f"{said} ({frames[-1].filename}, line {frames[-1].lineno}: {frames[-1].line})" if frames else said
