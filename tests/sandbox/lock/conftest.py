"""Fixtures to run pieces of source in workers that have locked themselves."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from grader.sandbox.lock import landlock

_HARNESS = Path(__file__).with_name("harness.py")
_REPOSITORY = Path(__file__).parents[3]
_NO_NAMESPACES = """
from grader.sandbox.lock import namespaces
def refused(*_): raise OSError(1, "refused, as in a container")
namespaces.unshare = refused
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a worker: the lock's report, what the source left in `result`, how it ended."""

    report: dict[str, Any] | None
    failure: str | None
    result: Any
    exit: int
    stderr: str


Worker = Callable[..., Outcome]
Attack = Callable[..., dict[str, str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a kernel with Landlock where there is none."""
    if landlock.abi() > 0:
        return
    skip = pytest.mark.skip(reason="needs Linux with Landlock, on x86_64 or aarch64")
    for item in items:
        if {"worker", "attack"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(skip)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A hidden folder with an answer in it, and one for the candidate, which the harness fills."""
    hidden, candidate = tmp_path / "hidden", tmp_path / "candidate"
    hidden.mkdir()
    candidate.mkdir()
    (hidden / "answer.txt").write_text("42")
    return hidden, candidate


@pytest.fixture
def worker(folders: tuple[Path, Path]) -> Worker:
    """`worker(source, **options)`: run a piece of source in a locked worker in the candidate's folder."""

    def run(source: str, **options: Any) -> Outcome:
        return _run_all([source], folders, list, options)[0]

    return run


@pytest.fixture
def attack(folders: tuple[Path, Path], account: Any) -> Attack:
    """`attack({name: expression}, **options) -> {name: outcome}`: a worker for each, as root and then as a user."""
    hidden, candidate = folders
    account.given(hidden.parent, hidden, hidden / "answer.txt", candidate)

    def run(expressions: Mapping[str, str], **options: Any) -> dict[str, str]:
        sources = [f"result = outcome(lambda: {expression})" for expression in expressions.values()]
        as_account = partial(account.command, reaching=[hidden.parent])
        outcomes = _run_all(sources, folders, lambda command: as_account(*command), options)
        ends = [outcome.result or f"exit {outcome.exit}: {outcome.failure}" for outcome in outcomes]
        return dict(zip(expressions, ends, strict=True))

    return run


def _run_all(
    sources: list[str],
    folders: tuple[Path, Path],
    command_of: Callable[[list[str]], list[str]],
    options: dict[str, Any],
) -> list[Outcome]:
    hidden, candidate = folders
    if not options.pop("namespaces", True):
        options["launcher"] = _NO_NAMESPACES
    request = {
        "repository": str(_REPOSITORY),
        "hidden": str(hidden),
        "candidate": str(candidate),
        "sources": sources,
        "launcher": "",
        "before": "",
        "lock": True,
        "strict": True,
        "landlock": True,
        "covered": False,
        "limits": {},
        "launcher_dies": False,
    } | options
    environment = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        command_of([sys.executable, "-I", "-B", str(_HARNESS), json.dumps(request)]),
        cwd=candidate,
        env=environment | {"TMPDIR": os.fspath(candidate.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    if not done.stdout:
        return [Outcome(report=None, failure=None, result=None, exit=0, stderr=done.stderr) for _ in sources]
    return [Outcome(**outcome, stderr=done.stderr) for outcome in json.loads(done.stdout)]
