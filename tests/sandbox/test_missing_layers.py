"""Where a layer of the lock is missing, strict grading refuses, says which layer, why, and what to do; or goes on and
says what is open. The kernel is made to lack it: see kernel_without.py."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.sandbox.lock import landlock

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(landlock.abi() == 0, reason="takes away what this machine does not have"),
]

ROOT = Path(__file__).resolve().parents[2]
WITHOUT = Path(__file__).with_name("kernel_without.py")


def grader_without(missing: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the grader on a kernel where a system call fails: `"seccomp=EPERM"`."""
    python = (sys.executable, "-I", "-B")
    command = [*python, str(WITHOUT), missing, "--", *python, "-m", "grader", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        pytest.param(
            "landlock_create_ruleset=ENOSYS",
            "Landlock: this kernel offers none. Use Linux 5.13 or newer",
            id="landlock",
        ),
        pytest.param("seccomp=EPERM", "seccomp: Operation not permitted. Look for a container", id="seccomp"),
    ],
)
def test_doctor_names_the_layer_that_is_missing_and_the_way_out(missing: str, message: str) -> None:
    done = grader_without(missing, "doctor")

    assert done.returncode == 3
    assert f"cannot lock the worker, {message}" in done.stdout
    assert "Here only --isolation process works: for code that you trust." in done.stdout
    assert "yes " not in done.stdout
    assert done.stderr == ""


def test_a_strict_grade_is_refused_without_a_layer_and_names_the_way_out() -> None:
    arguments = ("grade", f"{ROOT}/reference", "--only", "masking", "--json", "-")
    done = grader_without("landlock_create_ruleset=EPERM", *arguments)

    assert done.returncode == 3
    assert done.stdout == ""
    assert "Landlock: it is refused here (Operation not permitted). In a container, allow" in done.stderr
    assert "--isolation process" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("missing", ["landlock_create_ruleset=ENOSYS", "seccomp=EPERM"], ids=["landlock", "seccomp"])
@pytest.mark.parametrize("command", ["inject", "verify", "mutations"])
def test_what_builds_exercises_is_refused_in_the_same_words(
    command: str, missing: str, generated: Callable[..., Path], tmp_path: Path
) -> None:
    arguments = {
        "inject": ("inject", "-o", str(tmp_path / "ex")),
        "verify": ("verify", str(generated(operators=("mask-flipped",)))),
        "mutations": ("mutations", "mask-flipped", "--matrix"),
    }[command]
    done = grader_without(missing, *arguments)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1].startswith("grader: nothing could be judged: cannot lock the worker, ")
    assert done.stderr.endswith(". To grade without isolation, code that you trust: --isolation process\n")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_exercises_are_built_and_verified_without_a_lock_where_that_is_asked_for(tmp_path: Path) -> None:
    """Two whole commands: what doctor names as the way out has to be one."""
    folder, unlocked = str(tmp_path / "ex"), ("--isolation", "process")
    built = grader_without("landlock_create_ruleset=ENOSYS", "inject", "-o", folder, "--bug", "mask-flipped", *unlocked)
    proven = grader_without("landlock_create_ruleset=ENOSYS", "verify", folder, *unlocked)

    assert (built.returncode, proven.returncode) == (0, 0), built.stderr + proven.stderr
    assert proven.stdout.endswith("This exercise is sound.\n")


def test_a_grade_without_a_lock_says_so_in_the_terminal_and_in_the_record(tmp_path: Path) -> None:
    arguments = ("--only", "projection", "--isolation", "process", "--json", str(tmp_path / "result.json"))
    done = grader_without("landlock_create_ruleset=ENOSYS", "grade", f"{ROOT}/reference", *arguments)

    assert done.returncode == 0, done.stderr
    assert "Not isolated: the candidate ran as an ordinary process of yours" in done.stdout
    isolation = json.loads((tmp_path / "result.json").read_text())["environment"]["isolation"]
    assert isolation["mode"] == "process"
    assert "Not isolated" in isolation["missing"][0]


def test_doctor_goes_on_without_namespaces_and_says_what_can_be_seen() -> None:
    done = grader_without("unshare=EPERM", "doctor")

    assert done.returncode == 0, done.stdout
    assert re.search(r"no   Names and sizes of hidden files, .*: no namespaces \(unshare failed: Op", done.stdout)
    assert "read the hidden reference: refused (EACCES)" in done.stdout
    assert "NOT REFUSED" not in done.stdout
    assert "This machine can grade." in done.stdout
