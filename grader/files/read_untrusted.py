"""The files of a directory of unknown origin: never looked for elsewhere, never waited for, never read without end."""

import os
import stat
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

# Non-blocking: opening a pipe would wait for a writer that never comes.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Refused(Exception):
    """A file that is not taken, and why."""


class Folder(Protocol):
    """Files by name, from wherever they come."""

    def names(self, most: int) -> list[str] | None:
        """The names in it, in no order; None when there are more than ``most``."""

    def read(self, name: str, most: int) -> bytes:
        """The first ``most`` bytes of the file ``name``. Raises ``FileNotFoundError`` or ``Refused``."""


class Kind(Enum):
    """What a name in a folder stands for."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"  # a link, a pipe, a device


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A name in a folder, what it stands for, and how many bytes that has if it is a file."""

    name: str
    kind: Kind
    size: int = 0


class Directory:
    """An open directory. Use as a context manager.

    What it holds is opened relative to it, so that putting a link in its place, or in that of a directory above it,
    changes nothing. The path itself is its user's own and may lead through links.

    Args:
        within: the directory that ``path`` is a name in; then it is no path, and a link is not followed.

    Raises:
        OSError: it cannot be opened, or is no directory.
    """

    def __init__(self, path: Path | str, *, within: "Directory | None" = None) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if within is None:
            self._descriptor = os.open(path, flags)
        else:
            self._descriptor = os.open(path, flags | os.O_NOFOLLOW, dir_fd=within._descriptor)
        self._owner = os.fstat(self._descriptor).st_uid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def names(self, most: int) -> list[str] | None:
        """The names in it, in no order; None when there are more than ``most``."""
        with os.scandir(self._descriptor) as entries:
            names = [entry.name for entry in islice(entries, most + 1)]
        return names if len(names) <= most else None

    def entries(self, most: int) -> list[Listed] | None:
        """What is in it, in no order; None when there are more than ``most``."""
        with os.scandir(self._descriptor) as entries:
            listed = [_listed(entry) for entry in islice(entries, most + 1)]
        return listed if len(listed) <= most else None

    def read(self, name: str, most: int) -> bytes:
        """The first ``most`` bytes of the regular file ``name``.

        Raises:
            FileNotFoundError: there is nothing of that name.
            Refused: it is something else, or cannot be read.
        """
        try:
            with self.open(name) as file:
                return file.read(most)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Refused(str(error.strerror)) from None

    def open(self, name: str) -> BinaryIO:
        """The regular file ``name``, open for reading.

        Raises:
            FileNotFoundError: there is nothing of that name.
            Refused: it is something else, or cannot be opened.
        """
        try:
            # Looked at first: opening a device can already do something. What was then opened is looked at again.
            self._check(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False))
            file = os.fdopen(os.open(name, _READ, dir_fd=self._descriptor), "rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Refused(str(error.strerror)) from None
        try:
            self._check(os.fstat(file.fileno()))
        except BaseException:
            file.close()
            raise
        return file

    def _check(self, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise Refused("it is a symbolic link")
        if not stat.S_ISREG(status.st_mode):
            raise Refused("it is not a regular file")
        # Installers and backups link files too, so that several names alone say nothing. A candidate may hand in a
        # link to someone else's file that only the grader can read.
        if status.st_nlink > 1 and status.st_uid != self._owner:
            raise Refused("it is a hard link to a file of another user")


def _listed(entry: "os.DirEntry[str]") -> Listed:
    try:
        if entry.is_dir(follow_symlinks=False):
            return Listed(name=entry.name, kind=Kind.FOLDER)
        if entry.is_file(follow_symlinks=False):
            return Listed(name=entry.name, kind=Kind.FILE, size=entry.stat(follow_symlinks=False).st_size)
    except OSError:
        pass  # gone meanwhile, or hidden from us: opening it reports that
    return Listed(name=entry.name, kind=Kind.OTHER)
