"""Fixtures to run a piece of source in a worker that has locked itself."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader.sandbox.lock import landlock

_HARNESS = Path(__file__).with_name("harness.py")
_REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a worker: the lock's report, what the source left in `result`, how it ended."""

    report: dict[str, Any] | None
    failure: str | None
    result: Any
    exit: int
    stderr: str


Worker = Callable[..., Outcome]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a kernel with Landlock where there is none."""
    if landlock.abi() > 0:
        return
    skip = pytest.mark.skip(reason="needs Linux with Landlock, on x86_64 or aarch64")
    for item in items:
        if "worker" in getattr(item, "fixturenames", ()):
            item.add_marker(skip)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A hidden folder, and a candidate's with a link that leads into the hidden one."""
    hidden, candidate = tmp_path / "hidden", tmp_path / "candidate"
    hidden.mkdir()
    candidate.mkdir()
    (hidden / "answer.txt").write_text("42")
    (candidate / "model.py").write_text("ANSWER = 6 * 7\n")
    (candidate / "link.txt").symlink_to(hidden / "answer.txt")
    return hidden, candidate


@pytest.fixture
def worker(folders: tuple[Path, Path]) -> Worker:
    """Runs `source` in a locked worker whose current directory is the candidate's."""
    hidden, candidate = folders

    def run(source: str, **options: Any) -> Outcome:
        request = {
            "repository": str(_REPOSITORY),
            "hidden": str(hidden),
            "candidate": str(candidate),
            "source": source,
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
            [sys.executable, "-I", "-B", str(_HARNESS), json.dumps(request)],
            cwd=candidate,
            env=environment | {"TMPDIR": os.fspath(candidate.parent)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        if not done.stdout:
            return Outcome(report=None, failure=None, result=None, exit=0, stderr=done.stderr)
        return Outcome(**json.loads(done.stdout), stderr=done.stderr)

    return run
