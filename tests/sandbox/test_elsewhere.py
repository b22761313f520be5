"""What the grader does where it is not on Linux: macOS unlocked, and Windows not at all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="takes away what is Linux's alone"),
]

ROOT = Path(__file__).resolve().parents[2]
AS_ON_MACOS = Path(__file__).with_name("as_on_macos.py")


def on_macos(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(AS_ON_MACOS), *arguments], capture_output=True, text=True, timeout=300)


def test_a_grade_on_macos_is_unlocked_and_says_so() -> None:
    """A grade of one item: by default, with no option said."""
    done = on_macos("grade", f"{ROOT}/reference", "--only", "projection", "--json", "-")
    result = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert result["score"] == 15
    assert result["environment"]["isolation"] == {
        "mode": "process",
        "layers": ["limits: CPU time, open files, output"],
        "missing": [
            "Not isolated: the candidate ran as an ordinary process of yours, free to read and write.",
            "Memory is not limited.",
        ],
    }


def test_strict_isolation_is_refused_on_macos() -> None:
    done = on_macos("grade", f"{ROOT}/reference", "--only", "projection", "--isolation", "strict")

    assert (done.returncode, done.stdout) == (3, "")
    assert "cannot lock the worker, every layer: not Linux. Use Linux on x86_64 or aarch64" in done.stderr
    assert "--isolation process" in done.stderr


@pytest.mark.parametrize("command", [["grade", "."], ["doctor"], ["mutations"]], ids=" ".join)
def test_windows_is_refused_in_a_sentence(command: list[str]) -> None:
    code = f"import sys; sys.platform = 'win32'\nfrom grader.cli.main import main; main({command!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "grader: the grader does not run on Windows; use Linux, such as the Windows Subsystem for Linux (WSL 2)\n"
    )
