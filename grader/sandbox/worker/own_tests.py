"""Run a package's own tests with pytest, from memory: there is no file of them, and no disk to write to.

Tests are untrusted code, and they run where their outcome is noted down: they can forge it.
They do not know which of many packages they are run against.
"""

import os
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import numpy as np
import pytest
import torch

from grader.sandbox.questions import RunTests
from grader.sandbox.wire import Array
from grader.sandbox.worker.loading import SourcePackage, message_of, own_frames, sendable

MAX_TEXT: Final = 800  # characters of a test's id, and of what is said of its failure
NO_DISK: Final = "there is no disk to write to here: keep what is saved in memory, as io.BytesIO does"

# What reads or writes files, reports in its own way, or changes how the process takes errors.
_LEFT_OUT: Final = (
    "cacheprovider", "doctest", "faulthandler", "junitxml", "legacypath", "logging", "pastebin", "setuponly",
    "setupplan", "stepwise", "terminal", "threadexception", "tmpdir", "unraisableexception",
)  # fmt: skip
_ARGUMENTS: Final = (
    "-c", os.devnull, "--rootdir=/", "--noconftest", "--assert=plain", "--capture=no", "--maxfail=1",
    *(f"-pno:{plugin}" for plugin in _LEFT_OUT),
)  # fmt: skip


@cache
def rehearse() -> None:
    """Compare two tensors and run no test at all: what that takes is imported only then, and takes a second or two."""
    package, environment = SourcePackage({}), dict(os.environ)
    _run_pytest([_Collection(package, RunTests(modules=())), _Tally(package)])
    torch.testing.assert_close(torch.ones(1), torch.ones(1))
    # The launcher rehearses, and every worker of any kind is a fork of it.
    os.environ.clear()
    os.environ.update(environment)


def _run_pytest(plugins: list[object]) -> int:
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # whatever is installed here, it is no part of a submission
    return int(pytest.main([*_ARGUMENTS], plugins=plugins))


def run_tests(package: SourcePackage, question: RunTests) -> dict[str, Array]:
    tally = _Tally(package)
    plugins: list[object] = [_Collection(package, question), tally]
    if question.conftest:
        plugins.append(package.module("conftest"))
    vars(os).update(chdir=lambda _: None)  # pytest goes back to where it is already, which the lock denies
    code = _run_pytest(plugins)
    return {"exit": np.array(code), **tally.answer()}


class _Collection:
    """Has pytest collect modules that were imported from memory, and gives fixtures that want a disk a reason."""

    def __init__(self, package: SourcePackage, question: RunTests) -> None:
        self._package = package
        self._names = question.modules

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
    """Counts the tests, and keeps what is said of the one that fails."""

    def __init__(self, package: SourcePackage) -> None:
        self._package = package
        self._counts = {"passed": 0, "skipped": 0}
        self._failure: str | None = None

    def answer(self) -> dict[str, Array]:
        """The answer, but for the exit code."""
        answer: dict[str, Array] = {name: np.array(count) for name, count in self._counts.items()}
        if self._failure is not None:
            answer["failure"] = np.frombuffer(sendable(self._failure).encode(), np.uint8)
        return answer

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.tbstyle = "native"  # the quickest to make: it is never read

    def pytest_exception_interact(
        self, call: pytest.CallInfo[object], report: pytest.TestReport | pytest.CollectReport
    ) -> None:
        assert call.excinfo is not None
        self._fail(report.nodeid, self._told(call.excinfo.value))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self._failure is None:
            self._fail(report.nodeid, "it cannot be collected")
        elif report.skipped:
            self._counts["skipped"] += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self._failure is None:
            self._fail(report.nodeid, "it passes, and is marked as one that must not")
        elif report.skipped:
            self._counts["skipped"] += 1
        elif report.when == "call" and report.passed:
            self._counts["passed"] += 1

    def _fail(self, test: str, said: str) -> None:
        self._failure = f"{test[:MAX_TEXT]}\n{said[:MAX_TEXT]}"

    def _told(self, error: BaseException) -> str:
        """What was raised, and the last line of the submission's own on the way there."""
        message = message_of(error)
        said = f"{type(error).__name__}: {message}" if message else type(error).__name__
        frames = own_frames(self._package, error.__traceback__)
        return f"{said} ({frames[-1].filename}, line {frames[-1].lineno}: {frames[-1].line})" if frames else said
