"""What the lock says about itself, and when it refuses to go on."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.sandbox.lock import Limits, LockReport, landlock

Worker = Callable[..., Any]

_REPOSITORY = Path(__file__).parents[3]
_FULL = LockReport(
    landlock_abi=7,
    landlock_tcp=True,
    landlock_scoped=True,
    seccomp=True,
    namespaces="applied",
    capabilities_dropped=True,
    limits=Limits(),
)


def test_a_report_survives_json() -> None:
    assert LockReport.from_dict(json.loads(json.dumps(_FULL.to_dict()))) == _FULL


def test_nothing_is_missing_from_a_full_lock() -> None:
    assert _FULL.missing() == []
    assert _FULL.strict


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"landlock_abi": 0}, "Files are not protected", id="landlock"),
        pytest.param({"seccomp": False}, "System calls are not filtered", id="seccomp"),
        pytest.param({"landlock_tcp": False}, "TCP is denied by the filter alone", id="tcp"),
        pytest.param({"landlock_scoped": False}, "Signals are denied by the filter alone", id="scopes"),
        pytest.param({"namespaces": "unshare failed"}, r"no namespaces (unshare failed)", id="namespaces"),
        pytest.param({"capabilities_dropped": False}, "Capabilities are kept", id="capabilities"),
        pytest.param({"limits": Limits(address_space_bytes=None)}, "Memory is not limited", id="memory"),
    ],
)
def test_what_is_missing_is_said(change: dict[str, Any], sentence: str) -> None:
    (missing,) = replace(_FULL, **change).missing()

    assert sentence in missing


@pytest.mark.parametrize("change", [{"landlock_abi": 0}, {"seccomp": False}], ids=["landlock", "seccomp"])
def test_strict_needs_files_and_system_calls_closed(change: dict[str, Any]) -> None:
    assert not replace(_FULL, **change).strict


def test_a_locked_worker_reports_its_lock(worker: Worker) -> None:
    report = LockReport.from_dict(worker("").report)

    assert report.strict
    assert report.capabilities_dropped
    assert report.landlock_abi == landlock.abi()


def test_no_capability_is_left_after_dropping_them(worker: Worker) -> None:
    source = (
        "from grader.sandbox.lock.privileges import drop_capabilities\n"
        "drop_capabilities()\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "result = [int(status[name], 16) for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')]"
    )

    assert worker(source, lock=False).result == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param("ENOSYS", "Landlock: this kernel offers none. Use Linux 5.13 or newer", id="old-kernel"),
        pytest.param("EOPNOTSUPP", "Landlock: this kernel has it switched off. Add landlock to", id="switched-off"),
        pytest.param("EPERM", r"it is refused here (Operation not permitted). In a container, allow", id="container"),
    ],
)
def test_a_strict_lock_refuses_to_go_without_landlock(worker: Worker, error: str, message: str) -> None:
    missing = (
        "import errno, os; from grader.sandbox.lock import landlock\n"
        f"def refused(*_): raise OSError(errno.{error}, os.strerror(errno.{error}))\n"
        "landlock.syscall = refused"
    )
    outcome = worker("result = 'ran'", launcher=missing)

    assert message in outcome.failure
    assert outcome.result is None


def test_a_strict_lock_refuses_to_go_without_the_filter(worker: Worker) -> None:
    missing = (
        "import errno, os; from grader.sandbox.lock import seccomp\n"
        "def refused(*_): raise OSError(errno.EPERM, os.strerror(errno.EPERM))\n"
        "seccomp.syscall = refused"
    )
    outcome = worker("result = 'ran'", launcher=missing)

    assert "seccomp: Operation not permitted. Look for a container or a security module" in outcome.failure
    assert outcome.result is None


@pytest.mark.parametrize(
    ("elsewhere", "message"),
    [
        pytest.param(
            "syscalls.sys = SimpleNamespace(platform='darwin')", "every layer: not Linux. Use Linux on", id="mac"
        ),
        pytest.param(
            "syscalls.MACHINE = 'riscv64'", "no table of system calls for the machine 'riscv64'", id="machine"
        ),
    ],
)
def test_a_strict_lock_refuses_to_go_where_there_is_none(worker: Worker, elsewhere: str, message: str) -> None:
    where = f"from types import SimpleNamespace; from grader.sandbox.lock import syscalls; {elsewhere}"
    outcome = worker("result = 'ran'", before=where)

    assert message in outcome.failure
    assert outcome.result is None


def test_a_lock_that_is_not_strict_reports_what_it_lacks(worker: Worker) -> None:
    outcome = worker("result = 'ran'", landlock=False, strict=False)

    assert outcome.result == "ran"
    assert (outcome.report["landlock_abi"], outcome.report["seccomp"]) == (0, True)


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "not-strict"])
def test_a_process_with_a_second_thread_is_refused(worker: Worker, strict: bool) -> None:
    waiting = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    outcome = worker("", before=waiting, strict=strict)

    assert "2 threads are alive" in outcome.failure


def test_the_trial_reports_and_leaves_its_caller_unlocked() -> None:
    source = (
        f"import json, socket, sys; sys.path.insert(0, {str(_REPOSITORY)!r})\n"
        "from grader.sandbox.lock import available\n"
        "report = available(); socket.socket().close(); open('/etc/passwd').close()\n"
        "print(json.dumps(report.to_dict()))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, text=True, check=True, timeout=30)

    assert LockReport.from_dict(json.loads(done.stdout)).landlock_abi == landlock.abi()


def test_the_lock_imports_neither_torch_nor_numpy_nor_anything_else_of_the_grader() -> None:
    source = (
        f"import sys; sys.path.insert(0, {str(_REPOSITORY)!r})\n"
        "import grader.sandbox.lock\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('torch', 'numpy')\n"
        "       or name.startswith('grader.') and not name.startswith('grader.sandbox')])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout == "[]\n"
