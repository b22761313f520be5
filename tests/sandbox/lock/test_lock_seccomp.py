"""The filter's verdicts, by an interpreter of its instructions: for either machine, whichever runs the test."""

import errno
import os
import shutil
import subprocess

import pytest

from grader.sandbox.lock import seccomp
from grader.sandbox.lock.syscalls import NUMBERS

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_OWN_PID = 4711
_FOR_ITSELF = ("kill", "tgkill", "sched_getaffinity")  # allowed where the process meant is the caller
_ALLOWED, _KILLED = "allowed", "killed"

machines = pytest.mark.parametrize("machine", NUMBERS)


def _verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> str:
    """What the filter answers to a system call: allowed, killed, or the name of an error."""
    data = {0: number, 4: architecture or _ARCHITECTURES[machine]}
    for place, argument in enumerate((*arguments, *[0] * (6 - len(arguments)))):
        data |= {16 + 8 * place: argument & 0xFFFFFFFF, 20 + 8 * place: argument >> 32 & 0xFFFFFFFF}
    program = seccomp.program(_OWN_PID, machine)
    accumulator = at = 0
    while True:
        code, if_true, if_false = program[at] & 0xFFFF, program[at] >> 16 & 0xFF, program[at] >> 24 & 0xFF
        operand = program[at] >> 32
        at += 1
        match code:
            case 0x20:
                accumulator = data[operand]
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case 0x06:
                return _named(operand)
            case _:
                raise AssertionError(f"{code=:#x} is no instruction of the filter")


def _named(action: int) -> str:
    match action >> 16:
        case 0x7FFF:
            return _ALLOWED
        case 0x8000:
            return _KILLED
        case 0x0005:
            return errno.errorcode[action & 0xFFFF]
        case other:
            raise AssertionError(f"{other=:#x} is no action of the filter")


@machines
def test_every_system_call_has_the_verdict_of_the_list(machine: str) -> None:
    numbers = NUMBERS[machine]
    unconditional = {numbers[name] for name in _unconditional() if name in numbers}
    conditional = {numbers[name] for name in (*_conditional(), *_FOR_ITSELF) if name in numbers}
    others = set(range(max(numbers.values()) + 1)) - unconditional - conditional

    assert {_verdict(machine, number) for number in unconditional} == {_ALLOWED}
    assert {_verdict(machine, number) for number in others} == {"EPERM"}


@machines
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("openat", (0, 0, os.O_RDONLY | os.O_CLOEXEC), _ALLOWED),
        ("openat", (0, 0, os.O_WRONLY), "EACCES"),
        ("openat", (0, 0, os.O_RDWR), "EACCES"),
        ("openat", (0, 0, os.O_RDONLY | os.O_TRUNC), "EACCES"),
        ("openat", (0, 0, os.O_RDONLY | os.O_CREAT), "EACCES"),
        ("kill", (_OWN_PID,), _ALLOWED),
        ("kill", (_OWN_PID + 1,), "EPERM"),
        ("kill", (0,), "EPERM"),
        ("kill", (-1,), "EPERM"),
        ("tgkill", (_OWN_PID,), _ALLOWED),
        ("tgkill", (1,), "EPERM"),
        ("kill", (_OWN_PID, 15), _ALLOWED),  # SIGTERM
        ("kill", (_OWN_PID, 9), "EPERM"),  # SIGKILL
        ("kill", (_OWN_PID, 20), "EPERM"),  # SIGTSTP
        ("kill", (_OWN_PID, 1 << 32 | 9), "EPERM"),  # the kernel takes the low half
        ("tgkill", (_OWN_PID, _OWN_PID, 6), _ALLOWED),  # SIGABRT
        ("tgkill", (_OWN_PID, _OWN_PID, 9), "EPERM"),
        ("tgkill", (_OWN_PID, 9, 15), _ALLOWED),
        ("prlimit64", (0,), _ALLOWED),
        ("prlimit64", (1,), "EPERM"),
        ("prlimit64", (0, 7, 1 << 40), _ALLOWED),  # sets RLIMIT_NOFILE
        ("prlimit64", (0, 0, 0, 1 << 40), _ALLOWED),  # reads RLIMIT_CPU
        ("prlimit64", (0, 0, 1 << 40), "EPERM"),  # sets it, from an address whose low half is 0
        ("prlimit64", (0, 0, 1 << 20), "EPERM"),
        ("futex", (0, 128), _ALLOWED),  # FUTEX_WAIT_PRIVATE
        ("futex", (0, 128 | 9), _ALLOWED),  # FUTEX_WAIT_BITSET_PRIVATE
        ("futex", (0, 128 | 256 | 9), _ALLOWED),  # the same, with a deadline by the clock on the wall
        ("futex", (0, 0), "EPERM"),  # FUTEX_WAIT
        ("futex", (0, 1), "EPERM"),
        ("futex", (0, 9), "EPERM"),
        ("futex", (0, 128 | 6), "EPERM"),  # FUTEX_LOCK_PI_PRIVATE
        ("madvise", (0, 0, 4), _ALLOWED),  # MADV_DONTNEED
        ("madvise", (0, 0, 17), _ALLOWED),  # MADV_DODUMP
        ("madvise", (0, 0, 14), "EPERM"),  # MADV_HUGEPAGE
        ("madvise", (0, 0, 20), "EPERM"),  # MADV_COLD
        ("madvise", (0, 0, 21), "EPERM"),  # MADV_PAGEOUT
        ("madvise", (0, 0, 102), "EPERM"),  # MADV_GUARD_INSTALL, and whatever is newer
        ("mbind", (), "ENOSYS"),
        ("sched_setaffinity", (0,), _ALLOWED),
        ("sched_setaffinity", (1,), "EPERM"),
        ("sched_getaffinity", (0,), _ALLOWED),
        ("sched_getaffinity", (_OWN_PID,), _ALLOWED),
        ("sched_getaffinity", (1,), "EPERM"),
        ("clock_gettime", (11,), _ALLOWED),  # CLOCK_TAI
        ("clock_gettime", (~1 << 3 | 2,), "EINVAL"),  # the CPU time of process 1
        ("clock_getres", (~1 << 3 | 2,), "EINVAL"),
        ("clock_nanosleep", (~1 << 3 | 2,), "EINVAL"),
        ("fcntl", (0, 4), _ALLOWED),  # F_SETFL
        ("fcntl", (0, 1030), _ALLOWED),  # F_DUPFD_CLOEXEC
        ("fcntl", (0, 8), "EPERM"),  # F_SETOWN
        ("fcntl", (0, 10), "EPERM"),  # F_SETSIG
        ("ioctl", (0, 0x5401), _ALLOWED),  # TCGETS
        ("ioctl", (0, 0x5412), "ENOTTY"),  # TIOCSTI
        ("prctl", (15,), _ALLOWED),  # PR_SET_NAME
        ("prctl", (1,), "EPERM"),  # PR_SET_PDEATHSIG
        ("prctl", (4,), "EPERM"),  # PR_SET_DUMPABLE
        ("clone3", (), "ENOSYS"),
    ],
)
def test_arguments_decide(machine: str, name: str, arguments: tuple[int, ...], expected: str) -> None:
    assert _verdict(machine, NUMBERS[machine][name], *arguments) == expected


@machines
@pytest.mark.parametrize("number", [500, 0x3FFFFFFF])
def test_newer_calls_do_not_exist(machine: str, number: int) -> None:
    assert _verdict(machine, number) == "ENOSYS"


@machines
@pytest.mark.parametrize("number", [0x40000000, 0x40000027, 0xFFFFFFFF])
def test_x32_kills(machine: str, number: int) -> None:
    assert _verdict(machine, number) == _KILLED


@machines
def test_a_foreign_architecture_kills(machine: str) -> None:
    assert _verdict(machine, 0, architecture=0x40000003) == _KILLED  # i386


def test_every_name_on_the_list_has_a_number() -> None:
    known = set().union(*NUMBERS.values())

    assert {*_unconditional(), *_conditional()} <= known


@pytest.mark.skipif(shutil.which("scmp_sys_resolver") is None, reason="needs scmp_sys_resolver (seccomp of libseccomp)")
@machines
def test_the_numbers_are_those_of_libseccomp(machine: str) -> None:
    resolved = {
        name: int(subprocess.check_output(["scmp_sys_resolver", "-a", machine, name])) for name in NUMBERS[machine]
    }

    assert resolved == NUMBERS[machine]


def _unconditional() -> list[str]:
    return " ".join(seccomp._UNCONDITIONAL.values()).split()


def _conditional() -> list[str]:
    return list(seccomp._CONDITIONAL)
