"""``grader watch`` as a user meets it: it says what changed, and Ctrl-C is its orderly end."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
MODULE = (sys.executable, "-m", "grader")


HANGING = """

def _hang(self, tokens, *, classify=False):
    while True:
        pass


GPT.forward = _hang
"""
BUSY = 2.0  # seconds of computing that only a worker without end needs


def busy_seconds(parent: int) -> dict[int, float]:
    """By pid, the children of a process and how long each has computed."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == parent:
                found[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def wait_for_a_busy_worker(launcher: int) -> None:
    deadline = time.monotonic() + 200
    while max(busy_seconds(launcher).values(), default=0.0) < BUSY:
        assert time.monotonic() < deadline, "no worker hangs"
        time.sleep(0.05)


def read_until(words: str, process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = process.stdout.readline()
        assert line, text
        text += line
    return text


@pytest.mark.parametrize(("number", "files"), [(signal.SIGINT, "train.py"), (signal.SIGTERM, "both")])
def test_a_workspace_is_watched_until_it_is_interrupted(
    number: signal.Signals, files: str, tmp_path: Path, children: Callable[[], list[int]]
) -> None:
    workspace = tmp_path / "mine"
    subprocess.run([*MODULE, "start", workspace], check=True, capture_output=True)
    others = children()
    process = subprocess.Popen(
        [*MODULE, "watch", workspace, "--html", tmp_path / "report.html"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        first = read_until("Written: ", process)
        assert first.startswith(f"Watching {workspace}: save a file and it is graded again. Ctrl-C ends.\n")
        assert "Score: 0 of 100" in first
        for name in ("train.py",) if files == "train.py" else ("model.py", "train.py"):
            shutil.copyfile(ROOT / "reference" / name, tmp_path / name)
            os.replace(tmp_path / name, workspace / name)  # as editors save
        if files == "both":
            read_until("100 of 100", process)
        else:
            assert "train.py: 15 of 100 (+15)" in read_until("Training step", process)
        process.send_signal(number)
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0
    assert [pid for pid in children() if pid not in others] == []
    assert sorted(os.listdir(tmp_path)) == ["mine", "report.html"]


def test_a_grade_that_hangs_is_given_up_for_what_is_saved_over_it(
    tmp_path: Path, children: Callable[[], list[int]]
) -> None:
    """With an hour for each question, a grade that was waited for would not end."""
    workspace = tmp_path / "mine"
    subprocess.run([*MODULE, "start", workspace], check=True, capture_output=True)
    shutil.copyfile(ROOT / "reference" / "train.py", workspace / "train.py")
    good = (ROOT / "reference" / "model.py").read_text()
    (workspace / "model.py").write_text(good + HANGING)
    others = children()
    process = subprocess.Popen(
        [*MODULE, "watch", workspace, "--timeout", "3600"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    impatience = threading.Timer(300, process.kill)
    impatience.start()
    try:
        assert "Watching" in read_until("Watching", process)
        (launcher,) = busy_seconds(process.pid)
        wait_for_a_busy_worker(launcher)
        (workspace / "model.py").write_text(good)
        told = read_until("Token classifier  ", process)
        assert re.search(r"^\d\d:\d\d:\d\d  model\.py saved meanwhile: grading anew$", told, re.MULTILINE)
        assert "Score: 100 of 100" in told
        assert list(busy_seconds(process.pid)) == [launcher]

        (workspace / "model.py").write_text(good + HANGING)
        wait_for_a_busy_worker(launcher)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        impatience.cancel()
        process.kill()
        process.communicate()

    assert process.returncode == 0
    assert [pid for pid in children() if pid not in others] == []


def test_a_page_without_what_serves_it_is_told_with_how_to_install_it(
    grader: Callable[..., subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = grader("watch", ROOT / "candidate", "--open")

    assert (done.returncode, done.stdout) == (2, "")
    assert "--open needs starlette, which is not installed; " in done.stderr
    assert "gpt-bug-grader[live]" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["absent"], "no such directory: 'absent'", id="directory"),
        pytest.param(["."], "no model.py in '.'", id="no-model"),
        pytest.param([ROOT / "candidate", "--html", "absent/x"], "there is no directory 'absent'", id="html"),
        pytest.param([ROOT / "candidate", "--exercise", "absent"], "no such exercise: 'absent'", id="exercise"),
    ],
)
def test_what_cannot_be_watched_is_told_at_once(
    grader: Callable[..., subprocess.CompletedProcess[str]], arguments: list[object], words: str, tmp_path: Path
) -> None:
    done = grader("watch", *arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
