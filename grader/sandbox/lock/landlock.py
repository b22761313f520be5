"""The file system layer: a Landlock domain in which a few paths can be read and nothing can be written.

Landlock covers opening, creating, removing and renaming. It does not cover stat, chmod, chown, utime, extended
attributes or inotify: all but stat are denied by the system call filter. It knows no exception below a path that can
be read, hence the test whether handing out a path would give a hidden one away.
"""

import errno
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from .privileges import no_new_privileges
from .syscalls import syscall

_VERSION_QUERY: Final = 1
_PATH_BENEATH: Final = 1
_PATH_ONLY: Final = 0o10000000  # os.O_PATH, an attribute on Linux alone

# Executing is not among the rights that are handed out: shared libraries are mapped, which needs reading only.
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3

# ABI version -> the file system rights that it added. What is handled and not granted is denied.
_RIGHTS_ADDED: Final = {
    1: (1 << 13) - 1,  # execute, read, write, list, make and remove
    2: 1 << 13,  # link or rename into another directory
    3: 1 << 14,  # truncate
    5: 1 << 15,  # ioctl on devices
}
_TCP_SINCE: Final = 4
_TCP: Final = 0b11  # bind and connect
_SCOPES_SINCE: Final = 6
_SCOPES: Final = 0b11  # abstract unix sockets and signals reach no process outside the domain


def abi() -> int:
    """The version of Landlock that this kernel offers; 0 where there is none or it is switched off."""
    try:
        return _version()
    except OSError:
        return 0


def why_missing() -> tuple[str, str]:
    """Why there is no Landlock here, and what to do about it."""
    try:
        _version()
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return "this kernel offers none", "Use Linux 5.13 or newer"
        if error.errno == errno.EOPNOTSUPP:
            return "this kernel has it switched off", "Add landlock to the list in the kernel's parameter lsm="
        return (
            f"it is refused here ({error.strerror})",
            "In a container, allow the system calls landlock_*: a newer Docker does, or --security-opt seccomp=PROFILE",
        )
    return "no ruleset was made", "Make one with readable_ruleset"


def denies_tcp(version: int) -> bool:
    """Whether a domain of this ABI denies TCP."""
    return version >= _TCP_SINCE


def denies_scopes(version: int) -> bool:
    """Whether a domain of this ABI keeps signals and abstract unix sockets to itself."""
    return version >= _SCOPES_SINCE


def readable_ruleset(allowed: Iterable[Path], *, hidden: Iterable[Path], listed: Iterable[Path] = ()) -> int | None:
    """A descriptor of the ruleset under which `allowed` can be read and nothing else; None without Landlock.

    Costs a few microseconds per path, hence made once, in the launcher, and inherited by its workers.

    Args:
        allowed: files, and directories with all that is in them.
        hidden: what must stay unreadable. An allowed path that contains one, or lies in one, is a ValueError.
        listed: directories in which, and below which, names can be listed and nothing can be opened.
    """
    allowed = tuple(allowed)
    secrets = HiddenPaths(hidden)
    for path in allowed:
        if (secret := secrets.given_away_by(path)) is not None:
            raise ValueError(
                f"allowed={str(path)!r} would give away hidden={str(secret)!r}: neither may contain the other, "
                "because Landlock knows no exception below an allowed directory. Move one of them."
            )
    version = abi()
    if version == 0:
        return None
    ruleset = _empty_ruleset(version)
    try:
        for path in allowed:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for path in listed:
            _allow(ruleset, path, _READ_DIR)
    except OSError:
        os.close(ruleset)
        raise
    return ruleset


def restrict(ruleset: int) -> None:
    """Confine this thread, and what it may start, to `ruleset` for good."""
    no_new_privileges()
    syscall("landlock_restrict_self", ruleset, 0)


def _version() -> int:
    return syscall("landlock_create_ruleset", None, 0, _VERSION_QUERY)


def _empty_ruleset(version: int) -> int:
    rights = sum(added for since, added in _RIGHTS_ADDED.items() if version >= since)
    fields = [rights]
    if denies_tcp(version):
        fields.append(_TCP)
    if denies_scopes(version):
        fields.append(_SCOPES)
    # An older kernel refuses the longer structure of a newer one, so it gets the fields that it knows and no more.
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    return syscall("landlock_create_ruleset", attributes, len(attributes), 0)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, _PATH_ONLY | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _READ_FILE
        syscall("landlock_add_rule", ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


class HiddenPaths:
    """Knows which paths cannot be handed out.

    Landlock has no exception below an allowed directory, so a directory above a hidden path is as telling as the path.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = frozenset(path.resolve(strict=True) for path in paths)
        # By inode, as Landlock itself judges: another name for the same directory (a bind mount) is seen through.
        self._telling = {_identity(above): path for path in self.paths for above in (path, *path.parents)}

    def given_away_by(self, path: Path) -> Path | None:
        """The hidden path that contains `path` or lies in it, or None where there is none."""
        if (telling := self._telling.get(_identity(path))) is not None:
            return telling
        return self.holding(path)

    def holding(self, path: Path) -> Path | None:
        """The hidden path that is `path` or that it lies in, or None where there is none."""
        path = path.resolve()
        return next((above for above in (path, *path.parents) if above in self.paths), None)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
