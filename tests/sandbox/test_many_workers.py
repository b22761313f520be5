"""Hundreds of workers, one after the other, leave nothing in the launcher, in the grader, or anywhere else."""

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from grader.sandbox.client import Launcher
from grader.sandbox.questions import Answered, Snippet

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

PACKAGE = {"model.py": "from helper import VALUE\n\nclass GPT: ...\n", "helper.py": "VALUE = 7\n"}
FIRST, ALL = 100, 500
GROWTH = 4 << 20  # bytes in four hundred workers: ten kilobytes a worker would be a leak, a new arena is none


@dataclass(frozen=True, slots=True)
class Use:
    """What a process holds."""

    memory: int
    descriptors: int
    children: int


def use_of(pid: int) -> Use:
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    children = (process / f"task/{pid}/children").read_text().split()
    return Use(pages * resource.getpagesize(), len(os.listdir(process / "fd")), len(children))


def run_workers(launcher: Launcher, count: int) -> None:
    for _ in range(count):
        worker = launcher.spawn(PACKAGE)
        worker.send(Snippet(source="import model; assert model.VALUE == 7; print('done')"), {}, 60.0)
        assert worker.receive() == (Answered(), {})
        worker.close()
    launcher.settle()


def test_five_hundred_workers_in_a_row_leave_nothing(launcher: Launcher) -> None:
    launcher.started  # noqa: B018  waits until it is
    pids = {"launcher": launcher._process.pid, "grader": os.getpid()}
    run_workers(launcher, FIRST)
    early = {name: use_of(pid) for name, pid in pids.items()}
    run_workers(launcher, ALL - FIRST)
    late = {name: use_of(pid) for name, pid in pids.items()}

    for name in pids:
        # Not equal: of an earlier test something may be tidied away meanwhile.
        assert late[name].descriptors <= early[name].descriptors, name
        assert late[name].children <= early[name].children, name
        assert late[name].memory - early[name].memory <= GROWTH, name
    assert late["launcher"].children == 0
