"""Root's tests of real workers, and whole commands, once more as an ordinary user without a single capability."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="users are changed by Linux's means"),
]

ROOT = Path(__file__).resolve().parents[2]


def run_as(account: Any, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` as this user, in a folder of its own."""
    if account.other is None:
        pytest.skip("the other tests are run by an ordinary user as it is")
    account.given(home)
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return subprocess.run(
        account.command(sys.executable, "-I", "-B", *arguments, reaching=[home]),
        cwd=home,
        env=environment | {"HOME": str(home), "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_real_workers_are_locked_for_an_ordinary_user_too(ordinary: Any, tmp_path: Path) -> None:
    tests = Path(__file__).with_name("test_real_workers.py")
    options = ("-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", "-c", f"{ROOT}/pyproject.toml")
    done = run_as(ordinary, tmp_path, "-m", "pytest", *options, str(tests))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout


def test_an_ordinary_user_grades_in_full_isolation(ordinary: Any, tmp_path: Path) -> None:
    items = ("masking", "training-step")
    done = run_as(ordinary, tmp_path, "-m", "grader", "grade", f"{ROOT}/reference", "--json", "-", "--only", *items)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["score"], result["max_score"]) == (30, 30)
    isolation = result["environment"]["isolation"]
    assert isolation["mode"] == "strict"
    assert {layer.partition(":")[0] for layer in isolation["layers"]} >= {"files", "system calls", "capabilities"}
