"""The two doors into the kernel that the lock uses, prctl(2) and raw system calls, and the numbers of the latter.

The standard library wraps neither Landlock nor seccomp, and the C library wraps neither system call.
"""

import ctypes
import errno
import os
import struct
import sys
from typing import Final

# By `scmp_sys_resolver -a MACHINE NAME` of libseccomp; a test compares. aarch64 never had the older of two twins.
NUMBERS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "access": 21,
        "alarm": 37,
        "arch_prctl": 158,
        "brk": 12,
        "capset": 126,
        "clock_getres": 229,
        "clock_gettime": 228,
        "clock_nanosleep": 230,
        "clone3": 435,
        "close": 3,
        "close_range": 436,
        "dup": 32,
        "dup2": 33,
        "dup3": 292,
        "exit": 60,
        "exit_group": 231,
        "faccessat": 269,
        "faccessat2": 439,
        "fcntl": 72,
        "fstat": 5,
        "futex": 202,
        "get_mempolicy": 239,
        "getcpu": 309,
        "getcwd": 79,
        "getdents64": 217,
        "getegid": 108,
        "geteuid": 107,
        "getgid": 104,
        "getgroups": 115,
        "getitimer": 36,
        "getpid": 39,
        "getppid": 110,
        "getrandom": 318,
        "getresgid": 120,
        "getresuid": 118,
        "getrlimit": 97,
        "getrusage": 98,
        "gettid": 186,
        "gettimeofday": 96,
        "getuid": 102,
        "ioctl": 16,
        "kill": 62,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lseek": 8,
        "lstat": 6,
        "madvise": 28,
        "mbind": 237,
        "mmap": 9,
        "mount_setattr": 442,
        "mprotect": 10,
        "mremap": 25,
        "munmap": 11,
        "nanosleep": 35,
        "newfstatat": 262,
        "open": 2,
        "openat": 257,
        "pause": 34,
        "poll": 7,
        "ppoll": 271,
        "prctl": 157,
        "pread64": 17,
        "preadv": 295,
        "prlimit64": 302,
        "pselect6": 270,
        "pwrite64": 18,
        "pwritev": 296,
        "read": 0,
        "readlink": 89,
        "readlinkat": 267,
        "readv": 19,
        "restart_syscall": 219,
        "rt_sigaction": 13,
        "rt_sigpending": 127,
        "rt_sigprocmask": 14,
        "rt_sigreturn": 15,
        "rt_sigsuspend": 130,
        "rt_sigtimedwait": 128,
        "sched_getaffinity": 204,
        "sched_setaffinity": 203,
        "sched_yield": 24,
        "seccomp": 317,
        "select": 23,
        "set_mempolicy": 238,
        "setitimer": 38,
        "sigaltstack": 131,
        "stat": 4,
        "statx": 332,
        "tgkill": 234,
        "time": 201,
        "times": 100,
        "uname": 63,
        "write": 1,
        "writev": 20,
    },
    "aarch64": {
        "brk": 214,
        "capset": 91,
        "clock_getres": 114,
        "clock_gettime": 113,
        "clock_nanosleep": 115,
        "clone3": 435,
        "close": 57,
        "close_range": 436,
        "dup": 23,
        "dup3": 24,
        "exit": 93,
        "exit_group": 94,
        "faccessat": 48,
        "faccessat2": 439,
        "fcntl": 25,
        "fstat": 80,
        "futex": 98,
        "get_mempolicy": 236,
        "getcpu": 168,
        "getcwd": 17,
        "getdents64": 61,
        "getegid": 177,
        "geteuid": 175,
        "getgid": 176,
        "getgroups": 158,
        "getitimer": 102,
        "getpid": 172,
        "getppid": 173,
        "getrandom": 278,
        "getresgid": 150,
        "getresuid": 148,
        "getrlimit": 163,
        "getrusage": 165,
        "gettid": 178,
        "gettimeofday": 169,
        "getuid": 174,
        "ioctl": 29,
        "kill": 129,
        "landlock_add_rule": 445,
        "landlock_create_ruleset": 444,
        "landlock_restrict_self": 446,
        "lseek": 62,
        "madvise": 233,
        "mbind": 235,
        "mmap": 222,
        "mount_setattr": 442,
        "mprotect": 226,
        "mremap": 216,
        "munmap": 215,
        "nanosleep": 101,
        "newfstatat": 79,
        "openat": 56,
        "ppoll": 73,
        "prctl": 167,
        "pread64": 67,
        "preadv": 69,
        "prlimit64": 261,
        "pselect6": 72,
        "pwrite64": 68,
        "pwritev": 70,
        "read": 63,
        "readlinkat": 78,
        "readv": 65,
        "restart_syscall": 128,
        "rt_sigaction": 134,
        "rt_sigpending": 136,
        "rt_sigprocmask": 135,
        "rt_sigreturn": 139,
        "rt_sigsuspend": 133,
        "rt_sigtimedwait": 137,
        "sched_getaffinity": 123,
        "sched_setaffinity": 122,
        "sched_yield": 124,
        "seccomp": 277,
        "set_mempolicy": 237,
        "setitimer": 103,
        "sigaltstack": 132,
        "statx": 291,
        "tgkill": 131,
        "times": 153,
        "uname": 160,
        "write": 64,
        "writev": 66,
    },
}

MACHINE: Final = os.uname().machine

_libc = ctypes.CDLL(None, use_errno=True)


def unsupported() -> str | None:
    """Why this process cannot be locked whatever the kernel is able to do, or None where it can."""
    if sys.platform != "linux":
        return "not Linux"
    if MACHINE not in NUMBERS:
        return f"no table of system calls for the machine {MACHINE!r}"
    if struct.calcsize("P") != 8:
        return f"a 32-bit Python on {MACHINE!r}"
    return None


def prctl(option: int, value: int = 0) -> int:
    """The result of prctl(2), the unused arguments zero as most options demand."""
    _refuse_where_unsupported()
    return _checked(_libc.prctl(option, *(ctypes.c_ulong(argument) for argument in (value, 0, 0, 0))))


def syscall(name: str, *arguments: int | bytes | None) -> int:
    """The result of the system call `name`; bytes are passed by address and are only read."""
    _refuse_where_unsupported()
    widened = (ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments)
    _libc.syscall.restype = ctypes.c_long
    return _checked(_libc.syscall(ctypes.c_long(NUMBERS[MACHINE][name]), *widened))


def unshare(flags: int) -> None:
    """Move this process into new namespaces (os.unshare comes with Python 3.12)."""
    _refuse_where_unsupported()
    _checked(_libc.unshare(ctypes.c_int(flags)))


def mount(source: bytes, target: bytes, kind: bytes | None, flags: int, options: bytes | None) -> None:
    """Mount `source` over `target`."""
    _refuse_where_unsupported()
    _checked(_libc.mount(source, target, kind, ctypes.c_ulong(flags), options))


def _refuse_where_unsupported() -> None:
    if (reason := unsupported()) is not None:
        raise OSError(errno.ENOSYS, reason)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
