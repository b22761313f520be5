"""What a worker gives up about itself: what it inherits by open descriptor, capabilities, inspection by its equals, and
outliving its launcher."""

import errno
import os
import signal
import struct
import sys
from collections.abc import Collection
from typing import Final

from .syscalls import prctl, syscall

_SET_PARENT_DEATH_SIGNAL: Final = 1
_SET_DUMPABLE: Final = 4
_DROP_FROM_BOUNDING_SET: Final = 24
_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_AMBIENT: Final = 47
_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION_3: Final = 0x20080522
_CAPABILITY_NUMBERS: Final = 64


def die_with_parent(expected_ppid: int) -> None:
    """Let the kernel kill this process when its parent dies; at once if it already has.

    The kernel watches the *thread* that forked: let it be the main one. Outside Linux only the check is made.
    """
    if sys.platform == "linux":
        prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != expected_ppid:
        os.kill(os.getpid(), signal.SIGKILL)


def not_dumpable() -> None:
    """Close this process's memory, environment and descriptors to other unprivileged processes of the same user."""
    prctl(_SET_DUMPABLE, 0)


def no_new_privileges() -> None:
    """Let no program started from here gain privileges; the kernel demands it of a process that confines itself."""
    prctl(_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give up every capability, and the means to get one back."""
    for capability in range(_CAPABILITY_NUMBERS):
        try:
            prctl(_DROP_FROM_BOUNDING_SET, capability)
        except OSError as error:
            # EINVAL: past the kernel's last. EPERM: an ordinary user's bounding set stays, and is of no use.
            if error.errno in (errno.EINVAL, errno.EPERM):
                break
            raise
    prctl(_CAPABILITY_AMBIENT, _AMBIENT_CLEAR_ALL)
    nothing = bytes(24)  # effective, permitted and inheritable, in two halves of 32 bits
    syscall("capset", struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), nothing)


def close_all_but(keep: Collection[int]) -> None:
    """Close every descriptor of this process that is not in `keep`."""
    # os.closerange needs an upper end, and no limit tells it: one lowered since leaves descriptors open above it.
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        if descriptor not in keep:
            # Ignores the one that was open only for the listing.
            os.closerange(descriptor, descriptor + 1)
