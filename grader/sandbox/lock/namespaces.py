"""The extra layer: namespaces of one's own, where hidden directories and /proc are empty and there is no network.

Without it the names, sizes and times of hidden files can be seen, and which processes there are; their contents are
kept by Landlock all the same. Mounts are made read-only, so that reading a file does not change when it was last read:
by that, one worker could tell another something.
Many hosts (Docker, Ubuntu's AppArmor) refuse namespaces to ordinary users, so a refusal is reported and is no error.
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from .syscalls import mount, prctl, syscall, unshare

APPLIED: Final = "applied"

_NEW_MOUNT: Final = 0x00020000
_NEW_CGROUP: Final = 0x02000000
_NEW_UTS: Final = 0x04000000
_NEW_IPC: Final = 0x08000000
_NEW_USER: Final = 0x10000000
_NEW_NETWORK: Final = 0x40000000

_READ_ONLY: Final = 1
_NO_SUID: Final = 2
_NO_DEVICES: Final = 4
_NO_EXECUTION: Final = 8
_BIND: Final = 0x1000
_RECURSIVE: Final = 0x4000
_PRIVATE: Final = 0x40000

_WORKING_FOLDER: Final = -100  # AT_FDCWD
_EVERYTHING_BELOW: Final = 0x8000  # AT_RECURSIVE
_ATTRIBUTES: Final = struct.Struct("=QQQQ")  # to set, to clear, propagation, a user namespace

_SET_DUMPABLE: Final = 4


def isolate(hidden: Iterable[Path]) -> str:
    """APPLIED, or which step failed and why. Must come before capabilities are dropped and Landlock is on."""
    user, group = os.geteuid(), os.getegid()
    try:
        # The files under /proc/self that map users belong to root as long as the process is not dumpable.
        prctl(_SET_DUMPABLE, 1)
        unshare(_NEW_USER | _NEW_MOUNT | _NEW_NETWORK | _NEW_IPC | _NEW_UTS | _NEW_CGROUP)
    except OSError as error:
        return f"unshare failed: {error.strerror}"
    step = "mapping the user"
    try:
        # Unprivileged processes may map their group only once they have given up setgroups(2).
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
        step = "making mounts private"
        mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None)
        for path in (*hidden, Path("/proc")):
            step = f"covering {str(path)!r}"
            _cover(path)
        step = "making mounts read-only"
        # mount(2) would need for each mount which of its flags are to be kept.
        read_only = _ATTRIBUTES.pack(_READ_ONLY, 0, 0, 0)
        syscall("mount_setattr", _WORKING_FOLDER, b"/", _EVERYTHING_BELOW, read_only, len(read_only))
    except OSError as error:
        return f"namespaces entered, but {step} failed: {error.strerror}"
    return APPLIED


def _cover(path: Path) -> None:
    target = os.fsencode(path)
    if path.is_dir():
        flags = _READ_ONLY | _NO_SUID | _NO_DEVICES | _NO_EXECUTION
        mount(b"tmpfs", target, b"tmpfs", flags, b"size=4k,mode=000")
    else:
        mount(b"/dev/null", target, None, _BIND, None)


def _write(path: str, text: str) -> None:
    # One unbuffered write: the kernel takes a map as a whole or not at all.
    with open(path, "wb", buffering=0) as file:
        file.write(text.encode())
