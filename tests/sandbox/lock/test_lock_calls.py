"""System calls that a locked worker tries, every one that there is, and every kind of socket."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from grader.sandbox.lock import seccomp
from grader.sandbox.lock.syscalls import MACHINE, NUMBERS

Worker = Callable[..., Any]
Attack = Callable[..., dict[str, str]]

NEWEST = 600  # past the last system call of any kernel there is
# No filter is asked about these: the kernel puts them into traced programs itself, and kills all others that make them.
OUT_OF_REACH = {"x86_64": {335, 336}, "aarch64": set[int]()}  # uretprobe, uprobe
# What opens the parts of the kernel that a worker has no business with; every other call is tried too, by number.
KERNEL = {
    "io_uring_setup": {"x86_64": 425, "aarch64": 425},
    "io_uring_enter": {"x86_64": 426, "aarch64": 426},
    "add_key": {"x86_64": 248, "aarch64": 217},
    "request_key": {"x86_64": 249, "aarch64": 218},
    "keyctl": {"x86_64": 250, "aarch64": 219},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "perf_event_open": {"x86_64": 298, "aarch64": 241},
    "shmget": {"x86_64": 29, "aarch64": 194},
    "semget": {"x86_64": 64, "aarch64": 190},
    "msgget": {"x86_64": 68, "aarch64": 186},
    "mq_open": {"x86_64": 240, "aarch64": 180},
    "pidfd_getfd": {"x86_64": 438, "aarch64": 438},
    "kcmp": {"x86_64": 312, "aarch64": 272},
    "openat2": {"x86_64": 437, "aarch64": 437},
    "open_tree": {"x86_64": 428, "aarch64": 428},
    "fsopen": {"x86_64": 430, "aarch64": 430},
    "name_to_handle_at": {"x86_64": 303, "aarch64": 264},
    "fanotify_init": {"x86_64": 300, "aarch64": 262},
    "landlock_add_rule": {"x86_64": 445, "aarch64": 445},
    "seccomp": {"x86_64": 317, "aarch64": 277},
    "execveat": {"x86_64": 322, "aarch64": 281},
    "capset": {"x86_64": 126, "aarch64": 91},
    "rt_sigqueueinfo": {"x86_64": 129, "aarch64": 138},
    "timer_create": {"x86_64": 222, "aarch64": 107},
    "personality": {"x86_64": 135, "aarch64": 92},
    "mlock": {"x86_64": 149, "aarch64": 228},
    "mincore": {"x86_64": 27, "aarch64": 232},
    "readahead": {"x86_64": 187, "aarch64": 213},
    "fadvise64": {"x86_64": 221, "aarch64": 223},
    "sync_file_range": {"x86_64": 277, "aarch64": 84},
    "msync": {"x86_64": 26, "aarch64": 227},
    "process_madvise": {"x86_64": 440, "aarch64": 440},
    "migrate_pages": {"x86_64": 256, "aarch64": 238},
    "move_pages": {"x86_64": 279, "aarch64": 239},
    "preadv2": {"x86_64": 327, "aarch64": 286},
    "sysinfo": {"x86_64": 99, "aarch64": 179},
    "flock": {"x86_64": 73, "aarch64": 32},
    "inotify_init1": {"x86_64": 294, "aarch64": 26},
    "set_robust_list": {"x86_64": 273, "aarch64": 99},
    "set_tid_address": {"x86_64": 218, "aarch64": 96},
    "setpriority": {"x86_64": 141, "aarch64": 140},
    "setrlimit": {"x86_64": 160, "aarch64": 164},
    "sethostname": {"x86_64": 170, "aarch64": 161},
    "syslog": {"x86_64": 103, "aarch64": 116},
    "init_module": {"x86_64": 175, "aarch64": 105},
    "reboot": {"x86_64": 169, "aarch64": 142},
}
TRY_THEM = """
refusals = {}
for number in NUMBERS:
    refusals.setdefault(outcome(lambda: called(LIBC.syscall(number, 0, 0, 0, 0, 0, 0))), []).append(number)
result = refusals
"""
SOCKETS = """
outcomes = {}
for make in (socket.socket, socket.socketpair):
    for family in range(46):
        for kind in range(1, 11):
            ended = outcome(lambda: make(family, kind))
            outcomes[ended] = outcomes.get(ended, 0) + 1
result = outcomes
"""
# mov eax, 20 (getpid of i386); int 0x80; ret
COMPATIBLE = """
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("b814000000cd80c3"))
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
result = ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid()
"""

x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="a second set of system calls of x86_64")


def allowed_numbers() -> set[int]:
    """The numbers that the filter lets through, or looks at the arguments of."""
    names = {*" ".join(seccomp._UNCONDITIONAL.values()).split(), *seccomp._CONDITIONAL, "kill", "tgkill"}
    return {NUMBERS[MACHINE][name] for name in (*names, "sched_getaffinity") if name in NUMBERS[MACHINE]}


@pytest.mark.skipif(shutil.which("scmp_sys_resolver") is None, reason="needs scmp_sys_resolver (seccomp of libseccomp)")
@pytest.mark.parametrize("machine", NUMBERS)
def test_the_numbers_are_those_of_libseccomp(machine: str) -> None:
    resolved = {name: int(subprocess.check_output(["scmp_sys_resolver", "-a", machine, name])) for name in KERNEL}

    assert {name: numbers[machine] for name, numbers in KERNEL.items()} == resolved


def test_a_locked_worker_gets_nothing_of_the_kernel_that_it_does_not_need(attack: Attack) -> None:
    calls = {name: f"called(LIBC.syscall({numbers[MACHINE]}, 0, 0, 0, 0, 0, 0))" for name, numbers in KERNEL.items()}

    assert dict.fromkeys(KERNEL, "EPERM") == attack(calls)


def test_every_call_that_is_not_on_the_list_is_refused(worker: Worker) -> None:
    others = sorted(set(range(NEWEST)) - allowed_numbers() - OUT_OF_REACH[MACHINE])
    newest = max(NUMBERS[MACHINE].values())
    outcome = worker(TRY_THEM.replace("NUMBERS", repr(others)))

    assert outcome.exit == 0, outcome.stderr
    assert outcome.result == {
        "EPERM": [number for number in others if number <= newest],
        "ENOSYS": [number for number in others if number > newest],
    }


def test_no_socket_of_any_family_and_kind_can_be_had(worker: Worker) -> None:
    assert worker(SOCKETS).result == {"EPERM": 2 * 46 * 10}


def test_some_sockets_can_be_had_without_the_lock(worker: Worker) -> None:
    assert worker(SOCKETS, lock=False).result["done"] >= 6


@x86
def test_an_x32_call_kills(worker: Worker) -> None:
    assert worker("LIBC.syscall(0x40000000 + 39)").exit == -31  # SIGSYS


@x86
def test_a_call_by_the_door_for_32_bit_programs_kills(worker: Worker) -> None:
    if worker(COMPATIBLE, lock=False).result is not True:
        pytest.skip("this kernel has no such door")

    assert worker(COMPATIBLE).exit == -31  # SIGSYS


def test_a_worker_may_signal_itself(worker: Worker) -> None:
    assert worker("os.kill(os.getpid(), signal.SIGTERM)").exit == -15
