"""``grader watch`` as a user meets it: it says what changed, and Ctrl-C is its orderly end."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
MODULE = (sys.executable, "-m", "grader")


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["absent"], "no such directory: 'absent'", id="directory"),
        pytest.param(["."], "no model.py in '.'", id="no-model"),
        pytest.param([ROOT / "candidate", "--html", "absent/x"], "there is no directory 'absent'", id="html"),
        pytest.param([ROOT / "candidate", "--exercise", "absent"], "no such exercise: 'absent'", id="exercise"),
    ],
)
def test_what_cannot_be_watched_is_told_at_once(arguments: list[object], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*MODULE, "watch", *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
