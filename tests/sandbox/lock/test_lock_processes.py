"""What a locked worker tries with other processes and with new ones, as root and as a user."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Worker = Callable[..., Any]
Attack = Callable[..., dict[str, str]]

# name -> (expression, how it ends in a locked worker)
TRACING = {
    "trace the launcher": ("called(LIBC.ptrace(0x4206, LAUNCHER, None, None))", "EPERM"),
    "read the launcher's memory": ("transfer_memory(LIBC.process_vm_readv, LAUNCHER)", "EPERM"),
    "write the launcher's memory": ("transfer_memory(LIBC.process_vm_writev, LAUNCHER)", "EPERM"),
    "open the launcher's memory": ("open(f'/proc/{LAUNCHER}/mem', 'rb').close()", "EACCES"),
    "open the launcher's memory for writing": ("open(f'/proc/{LAUNCHER}/mem', 'r+b', 0).close()", "EACCES"),
}
REACHING_OTHERS = {
    "signal the launcher": ("os.kill(LAUNCHER, 0)", "EPERM"),
    "signal the launcher's group": ("os.kill(-os.getpgid(LAUNCHER), 0)", "EPERM"),
    "signal its own group": ("os.kill(0, 0)", "EPERM"),
    "signal a thread of the launcher": ("called(LIBC.tgkill(LAUNCHER, LAUNCHER, 0))", "EPERM"),
    "have the kernel signal the launcher": ("fcntl.fcntl(PIPE[0], fcntl.F_SETOWN, LAUNCHER)", "EPERM"),
    "have the kernel signal with another signal": ("fcntl.fcntl(PIPE[0], fcntl.F_SETSIG, 9)", "EPERM"),
    "get a handle on the launcher": ("os.pidfd_open(LAUNCHER)", "EPERM"),
    "read the launcher's limits": ("resource.prlimit(LAUNCHER, resource.RLIMIT_NOFILE)", "EPERM"),
    "set the launcher's limits": ("resource.prlimit(LAUNCHER, resource.RLIMIT_CORE, (0, 0))", "EPERM"),
    "see where the launcher may run": ("os.sched_getaffinity(LAUNCHER)", "EPERM"),
    "pin the launcher": ("os.sched_setaffinity(LAUNCHER, {0, 1} & {*range(os.cpu_count())})", "EPERM"),
    "slow the launcher": ("os.setpriority(os.PRIO_PROCESS, LAUNCHER, 1)", "EPERM"),
    "see the launcher's priority": ("os.getpriority(os.PRIO_PROCESS, LAUNCHER)", "EPERM"),
    "see the launcher's session": ("os.getsid(LAUNCHER)", "EPERM"),
    "read how long the launcher has computed": ("time.clock_gettime(~LAUNCHER << 3 | 2)", "EINVAL"),
    "look for a process by its clock": ("time.clock_getres(~LAUNCHER << 3 | 2)", "EINVAL"),
    "start a session": ("os.setsid()", "EPERM"),
    "become dumpable": ("called(LIBC.prctl(4, 1, 0, 0, 0))", "EPERM"),
    "outlive the launcher": ("called(LIBC.prctl(1, 0, 0, 0, 0))", "EPERM"),
    "adopt orphans": ("called(LIBC.prctl(36, 1, 0, 0, 0))", "EPERM"),
}
STARTING = {
    "fork": ("os.fork() or os._exit(0)", "EPERM"),
    "fork as a terminal's": ("os.forkpty()[0] or os._exit(0)", "EACCES"),
    "spawn": ("os.posix_spawn('/bin/true', ['true'], {})", "EPERM"),
    "start a thread": ("start_a_thread()", "RuntimeError"),
}
OTHER = {
    "signal everybody": ("os.kill(-1, 0)", "EPERM"),
    "signal init": ("os.kill(1, 0)", "EPERM"),
    "run a program": ("os.execv('/bin/true', ['true'])", "EPERM"),
    "run a program from memory": ("os.execve(ANSWER, ['true'], {})", "EPERM"),
    "enter namespaces": ("called(LIBC.unshare(0x10000000))", "EPERM"),
    "join namespaces": ("called(LIBC.setns(0, 0))", "EPERM"),
    "be another user": ("os.setuid(os.getuid())", "EPERM"),
    "be of another group": ("os.setgroups([])", "EPERM"),
    "raise a limit": ("resource.prlimit(0, resource.RLIMIT_NOFILE, (64, 65))", "EPERM"),
    "go first": ("os.nice(-5)", "EPERM"),
    "be real-time": ("os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))", "EPERM"),
    "fork by the newest call": ("called(LIBC.syscall(435, bytes(64), 64))", "ENOSYS"),
}
ATTACKS = TRACING | REACHING_OTHERS | STARTING | OTHER
_PIPE = "import os; PIPE = os.pipe()"


def expressions(attacks: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {name: expression for name, (expression, _) in attacks.items()}


@pytest.mark.parametrize("namespaces", [True, False], ids=["with-namespaces", "without"])
def test_a_locked_worker_reaches_and_starts_no_process(namespaces: bool, attack: Attack) -> None:
    outcomes = attack(expressions(ATTACKS), before=_PIPE, namespaces=namespaces)

    assert {name: refusal for name, (_, refusal) in ATTACKS.items()} == outcomes


def test_the_same_works_without_the_lock(attack: Attack) -> None:
    attacks = REACHING_OTHERS | STARTING
    outcomes = attack(expressions(attacks), before=_PIPE, lock=False)

    assert dict.fromkeys(attacks, "done") == outcomes


def test_tracing_works_without_the_lock(attack: Attack) -> None:
    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    if yama.exists() and yama.read_text().strip() != "0":
        pytest.skip("Yama keeps processes from tracing their parents here, lock or no lock")

    assert dict.fromkeys(TRACING, "done") == attack(expressions(TRACING), lock=False)
