"""On the standard build of torch, with its libraries for GPUs, a submission gets what it gets on the one for CPUs.

Both are made from whichever build is here: their number with and without the build behind it, and the addresses that
the libraries take. ``make platforms`` runs the tests on the real one.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from grader.cohort.versions import versions
from grader.sandbox.client import Launcher
from grader.sandbox.lock import LockReport, beyond
from grader.sandbox.lock.limits import MEMORY, Limits
from grader.sandbox.questions import Answered, Raised, Snippet
from grader.sandbox.torch_version import torch_version

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory is not limited")

HEAVIER = """
import mmap, runpy, sys
taken = mmap.mmap(-1, {size}, flags=mmap.MAP_PRIVATE | 0x4000, prot=0)  # addresses alone, as CUDA's libraries take
runpy.run_module("grader.sandbox.launcher", run_name="__main__", alter_sys=True)
"""
FILL = "import torch\nheld = torch.empty({size}, dtype=torch.uint8)"


@pytest.fixture(params=["2.13.0+cpu", "2.13.0+cu130", "2.6.0"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A folder of packages with a torch that says what it is, and metadata that leave out the build."""
    said: str = request.param
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise AssertionError('imported')")
    (tmp_path / "torch" / "version.py").write_text(f"__all__ = ['debug']\n__version__ = '{said}'\ndebug = False\n")
    metadata = tmp_path / f"torch-{said.partition('+')[0]}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {said.partition('+')[0]}\n")
    return tmp_path, said


def test_the_version_is_what_torch_says_and_not_what_its_metadata_do(build: tuple[Path, str]) -> None:
    folder, said = build
    code = f"""
import sys; sys.path.insert(0, {str(folder)!r})
from importlib.metadata import version
from grader.cohort.versions import versions
print(version("torch"), versions().packages["torch"], "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)

    assert (done.stdout.split(), done.stderr) == ([said.partition("+")[0], said, "False"], "")


def test_the_version_is_that_of_the_torch_that_is_here(launcher: Launcher) -> None:
    assert torch_version() == torch.__version__ == launcher.started.torch == versions().packages["torch"]


@pytest.fixture
def heavier(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], Launcher]:
    """``heavier(bytes) -> launcher``: one that has so many more addresses in use by the time it forks."""

    def start(size: int) -> Launcher:
        code = tmp_path / "launcher.py"
        code.write_text(HEAVIER.format(size=size))
        python = tmp_path / "python"
        # The client starts `python -I -B -m grader.sandbox.launcher DESCRIPTOR PID`.
        python.write_text(f'#!/bin/sh\nshift 4\nexec "{sys.executable}" -I -B "{code}" "$@"\n')
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        return Launcher("strict")

    return start


@linux
def test_a_submission_has_its_memory_whatever_torch_has_taken(heavier: Callable[[int], Launcher]) -> None:
    with heavier(3 << 30) as launcher:
        worker = launcher.spawn({})
        (phrase,) = (phrase for phrase in worker.locked.applied if phrase.startswith("limits: "))
        replies = []
        for size in (3 << 30, MEMORY + (1 << 28)):
            worker.send(Snippet(source=FILL.format(size=size)), {}, 60.0)
            replies.append(worker.receive()[0])
        worker.close()
    fits, too_much = replies

    assert phrase == "limits: 3.5 GiB of memory for a submission, CPU time, open files, output"
    assert isinstance(fits, Answered)
    assert isinstance(too_much, Raised)
    assert "can't allocate memory" in too_much.message


def test_what_is_promised_comes_on_top_of_what_is_in_use() -> None:
    small, large = (beyond(taken << 20, cpu_seconds=9) for taken in (600, 3100))

    assert (small.memory_left, large.memory_left) == (MEMORY, MEMORY)
    assert (small.address_space_bytes, large.address_space_bytes) == ((600 << 20) + MEMORY, (3100 << 20) + MEMORY)
    assert large.cpu_seconds == 9


def test_less_than_is_promised_is_said() -> None:
    limits = Limits(address_space_bytes=2 << 30, addresses_in_use=1 << 30)
    report = LockReport(
        landlock_abi=7, landlock_tcp=True, landlock_scoped=True, seccomp=True, namespaces="applied",
        capabilities_dropped=True, limits=limits,
    )  # fmt: skip

    assert LockReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert "limits: 1.0 GiB of memory for a submission, CPU time, open files, output" in report.applied()
    assert report.missing() == [
        "A submission has less memory than it is to have: 1.0 GiB instead of 3.5 GiB are left by a limit from outside "
        "(ulimit -v)."
    ]
