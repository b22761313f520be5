"""The system call layer: a seccomp filter that allows what numerical Python does and refuses the rest.

The list says what may be done, so a system call that is not listed is refused. Absent on purpose: starting
processes and threads, sockets, System V and POSIX IPC, every way to change a file or its attributes, ptrace and
process_vm_*, pidfd_*, keyctl, io_uring, userfaultfd, bpf, perf_event_open, and the calls of Landlock and seccomp.
"""

import ctypes
import errno
import fcntl
import os
import resource
import signal
from typing import Final

from .privileges import no_new_privileges
from .syscalls import MACHINE, NUMBERS, syscall

# One instruction of classic BPF as the eight bytes of a struct sock_filter, in one little-endian number.
Instruction = int
# Instructions that end, on every path, in a return.
Verdict = tuple[Instruction, ...]

_LOAD: Final = 0x20
_IF_EQUAL: Final = 0x15
_IF_AT_LEAST: Final = 0x35
_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

# Offsets into struct seccomp_data; of an argument, eight bytes wide, the low half is what the kernel takes for an int.
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# The x32 calls of x86_64 have this bit set; no other call of any machine has a number as high.
_X32_BIT: Final = 0x40000000

_SET_MODE_FILTER: Final = 1
_ALL_THREADS: Final = 1


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> Instruction:
    return code | if_true << 16 | if_false << 24 | operand << 32


def _fails_with(code: int) -> Verdict:
    return (_instruction(_RETURN, 0x00050000 | code),)


_ALLOWED: Final[Verdict] = (_instruction(_RETURN, 0x7FFF0000),)
_KILLED: Final[Verdict] = (_instruction(_RETURN, 0x80000000),)
_DENIED: Final = _fails_with(errno.EPERM)
# What libc expects of a kernel that is too old, whereupon it falls back to an older call.
_UNKNOWN: Final = _fails_with(errno.ENOSYS)

_UNCONDITIONAL: Final = {
    "use what is open": "read write readv writev pread64 pwrite64 preadv pwritev lseek close close_range dup dup2 dup3",
    "wait for it": "poll ppoll select pselect6",
    "look at files": (
        "stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat getcwd getdents64"
    ),
    "memory": "mmap munmap mprotect mremap brk",
    "other work": "sched_yield getcpu",
    "signals to itself": (
        "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack "
        "restart_syscall"
    ),
    "time": "nanosleep gettimeofday time times getitimer setitimer alarm pause",
    "who and where it is": (
        "getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups uname getrusage getrlimit"
    ),
    "randomness": "getrandom",
    "matrix units of the CPU, which oneDNN asks for": "arch_prctl",
    "its end": "exit exit_group",
}


def _if_among(argument: int, values: tuple[int, ...], then: Verdict, otherwise: Verdict) -> Verdict:
    """One verdict where an argument is one of `values`, another where it is not."""
    jumps = range(len(values) + len(otherwise) - 1, len(otherwise) - 1, -1)
    tests = (_instruction(_IF_EQUAL, value, if_true=jump) for value, jump in zip(values, jumps, strict=True))
    return (_instruction(_LOAD, _ARGUMENTS_AT + 8 * argument), *tests, *otherwise, *then)


def _allowed_if(argument: int, values: tuple[int, ...], otherwise: Verdict = _DENIED) -> Verdict:
    """Allows the call where its argument is one of `values`."""
    return _if_among(argument, values, _ALLOWED, otherwise)


def _allowed_if_null(argument: int) -> Verdict:
    """Allows the call where its argument, an address, is null: in both its halves."""
    tests = []
    for half, to_the_end in ((0, 3), (4, 1)):
        tests += [
            _instruction(_LOAD, _ARGUMENTS_AT + 8 * argument + half),
            _instruction(_IF_EQUAL, 0, if_false=to_the_end),
        ]
    return (*tests, *_ALLOWED, *_DENIED)


def _allowed_without(argument: int, bits: int, otherwise: Verdict) -> Verdict:
    """Allows the call where its argument has none of `bits`."""
    test = _instruction(_IF_ANY_BIT, bits, if_false=1)
    return (_instruction(_LOAD, _ARGUMENTS_AT + 8 * argument), test, *otherwise, *_ALLOWED)


# Before ABI 3, Landlock lets O_TRUNC empty a file that can be read. Hence the flags are looked at here too, and hence
# openat2, whose flags lie in memory where a filter cannot look, is not on the list.
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_READ_ONLY: Final = _fails_with(errno.EACCES)

# Waiting and waking within the process, which is all that its one thread needs. Without the private flag, the word that
# is waited on may lie in a file that others have mapped, and who is woken has heard something. And the locks that lend
# priority (FUTEX_LOCK_PI and its like) look their owner up among all processes.
_PRIVATE: Final = 128
_FUTEX_OPERATIONS: Final = {
    "FUTEX_WAIT": _PRIVATE | 0,
    "FUTEX_WAKE": _PRIVATE | 1,
    "FUTEX_CMP_REQUEUE": _PRIVATE | 4,
    "FUTEX_WAKE_OP": _PRIVATE | 5,
    "FUTEX_WAIT_BITSET": _PRIVATE | 9,
    "FUTEX_WAKE_BITSET": _PRIVATE | 10,
    "FUTEX_WAIT_BITSET by CLOCK_REALTIME": _PRIVATE | 256 | 9,
}

# What changes the process's own memory alone. Other advice (MADV_PAGEOUT, MADV_COLD, MADV_WILLNEED, MADV_POPULATE_READ,
# MADV_COLLAPSE, MADV_HUGEPAGE) changes which pages of a file the kernel holds and how, which others can measure, or
# shares equal pages between processes (MADV_MERGEABLE).
_MADVISE_ADVICE: Final = {
    "MADV_DONTNEED": 4,
    "MADV_FREE": 8,
    "MADV_DONTFORK": 10,
    "MADV_NOHUGEPAGE": 15,
    "MADV_DONTDUMP": 16,
    "MADV_DODUMP": 17,
}

# A worker that SIGKILL ended was ended by the machine, so that it is asked once more; one that is stopped keeps its
# caller waiting until the deadline. It can do neither to itself: not by a signal, and not by a limit on CPU time below
# what it has used.
_NO_CPU_LIMIT: Final = _if_among(1, (resource.RLIMIT_CPU,), _allowed_if_null(2), _ALLOWED)
_ENDING: Final = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

# A negative clock is the CPU time of some process or thread, or a device: anybody may read how long the reference has
# been at work, or learn which processes there are.
_NEGATIVE: Final = 1 << 31
_NO_SUCH_CLOCK: Final = _fails_with(errno.EINVAL)

# Without F_SETOWN and F_SETSIG, by which the kernel can be made to signal another process.
_FCNTL_COMMANDS: Final = (
    fcntl.F_DUPFD,
    fcntl.F_DUPFD_CLOEXEC,
    fcntl.F_GETFD,
    fcntl.F_SETFD,
    fcntl.F_GETFL,
    fcntl.F_SETFL,
)
_IOCTL_REQUESTS: Final = {
    "TCGETS": 0x5401,
    "FIONREAD": 0x541B,
    "FIONBIO": 0x5421,
    "FIONCLEX": 0x5450,
    "FIOCLEX": 0x5451,
}
# Without PR_SET_PDEATHSIG and PR_SET_DUMPABLE, which would undo what was set before the filter.
_PRCTL_OPTIONS: Final = {
    "PR_GET_DUMPABLE": 3,
    "PR_SET_NAME": 15,
    "PR_GET_NAME": 16,
    "PR_SET_NO_NEW_PRIVS": 38,
    "PR_GET_NO_NEW_PRIVS": 39,
    "PR_SET_VMA": 0x53564D41,
}

_CONDITIONAL: Final[dict[str, Verdict]] = {
    "open": _allowed_without(1, _WRITING, _READ_ONLY),
    "openat": _allowed_without(2, _WRITING, _READ_ONLY),
    "futex": _allowed_if(1, tuple(_FUTEX_OPERATIONS.values())),
    "madvise": _allowed_if(2, tuple(_MADVISE_ADVICE.values())),
    # Where memory lies, of which the page of a file is moved for all: a kernel without NUMA has none of these.
    "mbind": _UNKNOWN,
    "get_mempolicy": _UNKNOWN,
    "set_mempolicy": _UNKNOWN,
    # The first argument is a process: 0 is the caller.
    "prlimit64": _if_among(0, (0,), _NO_CPU_LIMIT, _DENIED),
    "sched_setaffinity": _allowed_if(0, (0,)),
    "clock_gettime": _allowed_without(0, _NEGATIVE, _NO_SUCH_CLOCK),
    "clock_getres": _allowed_without(0, _NEGATIVE, _NO_SUCH_CLOCK),
    "clock_nanosleep": _allowed_without(0, _NEGATIVE, _NO_SUCH_CLOCK),
    "fcntl": _allowed_if(1, _FCNTL_COMMANDS),
    "ioctl": _allowed_if(1, tuple(_IOCTL_REQUESTS.values()), _fails_with(errno.ENOTTY)),
    "prctl": _allowed_if(0, tuple(_PRCTL_OPTIONS.values())),
    "clone3": _UNKNOWN,
}


def restrict() -> None:
    """Filter the system calls of this process, all its threads included, for good."""
    instructions = program(os.getpid())
    memory = (ctypes.c_uint64 * len(instructions))(*instructions)
    header = len(instructions).to_bytes(8, "little") + ctypes.addressof(memory).to_bytes(8, "little")
    no_new_privileges()
    if (thread := syscall("seccomp", _SET_MODE_FILTER, _ALL_THREADS, header)) != 0:
        raise OSError(errno.EBUSY, f"thread {thread} cannot take the filter over")


def program(own_pid: int, machine: str = MACHINE) -> list[Instruction]:
    """The filter as instructions: the architecture first, then a binary search for the number of the call."""
    numbers = NUMBERS[machine]
    kill, tgkill = (_if_among(0, (own_pid,), _if_among(at, _ENDING, _DENIED, _ALLOWED), _DENIED) for at in (1, 2))
    own_affinity = _allowed_if(0, (0, own_pid))  # libc names the calling thread, of which there is one
    names = " ".join(_UNCONDITIONAL.values()).split()
    verdicts = dict.fromkeys(names, _ALLOWED) | _CONDITIONAL
    verdicts |= {"kill": kill, "tgkill": tgkill, "sched_getaffinity": own_affinity}
    by_number = {numbers[name]: verdict for name, verdict in verdicts.items() if name in numbers}
    return [
        _instruction(_LOAD, _ARCHITECTURE_AT),
        _instruction(_IF_EQUAL, _ARCHITECTURES[machine], if_true=1),
        *_KILLED,
        _instruction(_LOAD, _NUMBER_AT),
        *_search(_segments(by_number, newest=max(numbers.values()))),
    ]


def _segments(verdicts: dict[int, Verdict], newest: int) -> list[tuple[int, Verdict]]:
    """The line of all numbers, cut where the verdict changes: pairs of a first number and the verdict from there on."""
    line: list[tuple[int, Verdict]] = [(0, _DENIED)]
    for number, verdict in sorted(verdicts.items()):
        if line[-1][0] == number:
            line.pop()
        if not line or line[-1][1] != verdict:
            line.append((number, verdict))
        line.append((number + 1, _DENIED))
    return [*line, (newest + 1, _UNKNOWN), (_X32_BIT, _KILLED)]


def _search(segments: list[tuple[int, Verdict]]) -> Verdict:
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    below, above = _search(segments[:middle]), _search(segments[middle:])
    assert len(below) < 256, "a jump of classic BPF reaches no further"
    return (_instruction(_IF_AT_LEAST, segments[middle][0], if_true=len(below)), *below, *above)
