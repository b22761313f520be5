"""What Landlock holds by itself, in every version that there is, and what the namespaces add to it."""

from collections.abc import Callable
from typing import Any

import pytest

from grader.sandbox.lock import landlock

Worker = Callable[..., Any]
Attack = Callable[..., dict[str, str]]

# name -> (expression, how it ends under Landlock alone, the first version that refuses it)
ALONE = {
    "read": ("open(HIDDEN / 'answer.txt')", "EACCES", 1),
    "write": ("open('model.py', 'r+')", "EACCES", 1),
    "create": ("open('new.txt', 'w')", "EACCES", 1),
    "remove": ("os.unlink('model.py')", "EACCES", 1),
    "make a folder": ("os.mkdir('new')", "EACCES", 1),
    "execute": ("os.execv('/bin/true', ['true'])", "EACCES", 1),
    "trace": ("called(LIBC.ptrace(0x4206, LAUNCHER, None, None))", "EPERM", 1),
    "read memory": ("transfer_memory(LIBC.process_vm_readv, LAUNCHER)", "EPERM", 1),
    "link into another folder": ("os.link('model.py', 'empty/model.py')", "EACCES", 1),
    "truncate": ("os.truncate('model.py', 0)", "EACCES", 3),
    "bind": ("socket.socket().bind(('127.0.0.1', 0))", "EACCES", 4),
    "connect": ("socket.socket().connect(('127.0.0.1', 9))", "EACCES", 4),
    "signal": ("os.kill(LAUNCHER, 0)", "EPERM", 6),
}


def test_landlock_alone_holds_its_part(attack: Attack) -> None:
    alone = {name: attempt for name, attempt in ALONE.items() if attempt[2] <= landlock.abi()}
    confined = "from grader.sandbox.lock import landlock; landlock.restrict(RULESET)"
    outcomes = attack({name: expression for name, (expression, _, _) in alone.items()}, before=confined, lock=False)

    assert {name: refusal for name, (_, refusal, _) in alone.items()} == outcomes


@pytest.mark.parametrize("abi", range(1, landlock.abi() + 1))
def test_every_older_landlock_will_do(abi: int, attack: Attack) -> None:
    older = f"from grader.sandbox.lock import landlock; landlock.abi = lambda: {abi}"
    outcomes = attack(
        {
            "read what is allowed": "open('model.py').read()",
            "read what is hidden": "open(HIDDEN / 'answer.txt').read()",
            # Landlock itself lets this one pass before ABI 3.
            "empty a file": "os.open('model.py', os.O_RDONLY | os.O_TRUNC)",
        },
        launcher=older,
    )

    assert outcomes == {"read what is allowed": "done", "read what is hidden": "EACCES", "empty a file": "EACCES"}


def test_a_worker_sees_nothing_of_a_covered_folder_and_of_other_processes(worker: Worker) -> None:
    seen = "result = outcome(lambda: os.stat(HIDDEN / 'answer.txt')), outcome(lambda: os.stat(f'/proc/{LAUNCHER}'))"
    outcome = worker(seen, covered=True)
    if outcome.report["namespaces"] != "applied":
        pytest.skip(f"namespaces are not to be had here: {outcome.report['namespaces']}")

    assert worker(seen, lock=False).result == ["done", "done"]
    assert set(outcome.result) <= {"ENOENT", "EACCES"}


def test_reading_a_file_leaves_no_trace_for_another_worker(worker: Worker) -> None:
    # A time of last access before that of the last change is what most file systems bring up to date.
    read = (
        "before = os.stat('model.py').st_atime_ns; os.read(os.open('model.py', os.O_RDONLY), 1)\n"
        "result = os.stat('model.py').st_atime_ns - before"
    )
    stale = "import os; os.utime('model.py', (0, 0))"
    outcome = worker(read, before=stale, covered=True)
    if outcome.report["namespaces"] != "applied":
        pytest.skip(f"namespaces are not to be had here: {outcome.report['namespaces']}")

    assert outcome.result == 0
    if worker(read, before=stale, lock=False).result == 0:
        pytest.skip("this file system keeps no times of access, lock or no lock")


def test_a_worker_dies_with_its_launcher(worker: Worker) -> None:
    # The worker holds the launcher's stdout: had it lived on, the harness would not be done before its timeout.
    worker("os.write(ANSWER, b'locked'); time.sleep(3600)", launcher_dies=True)


def test_only_the_kept_descriptors_are_open(worker: Worker) -> None:
    stray = "import os; os.dup2(0, 700)"
    opened = "result = [n for n in range(1024) if n != ANSWER and outcome(lambda: os.fstat(n)) == 'done']"

    assert worker(opened, launcher=stray).result == [0, 1, 2]
