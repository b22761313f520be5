"""The files of a directory of unknown origin: never looked for elsewhere, never waited for, never read without end."""

import os
import stat
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

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


class Directory:
    """An open directory. Use as a context manager.

    What it holds is opened relative to it, so that putting a link in its place, or in that of a directory above it,
    changes nothing. The path itself is its user's own and may lead through links.

    Raises:
        OSError: it cannot be opened, or is no directory.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._owner = os.fstat(self._descriptor).st_uid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def names(self, most: int) -> list[str] | None:
        """The names in it, in no order; None when there are more than ``most``."""
        with os.scandir(self._descriptor) as entries:
            names = [entry.name for entry in islice(entries, most + 1)]
        return names if len(names) <= most else None

    def read(self, name: str, most: int) -> bytes:
        """The first ``most`` bytes of the regular file ``name``.

        Raises:
            FileNotFoundError: there is nothing of that name.
            Refused: it is something else, or cannot be read.
        """
        try:
            # Looked at first: opening a device can already do something. What was then opened is looked at again.
            self._check(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False))
            with open(os.open(name, _READ, dir_fd=self._descriptor), "rb") as file:
                self._check(os.fstat(file.fileno()))
                return file.read(most)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Refused(str(error.strerror)) from None

    def _check(self, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise Refused("it is a symbolic link")
        if not stat.S_ISREG(status.st_mode):
            raise Refused("it is not a regular file")
        # Installers and backups link files too, so that several names alone say nothing. Whoever hands in a link to
        # someone else's file may not be able to read it, and the grader may.
        if status.st_nlink > 1 and status.st_uid != self._owner:
            raise Refused("it is a hard link to a file of another user")
