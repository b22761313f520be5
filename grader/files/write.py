"""Writing result files: all or nothing."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from grader.errors import CannotJudge, UsageError


def check_writable(path: Path) -> None:
    """Complain before the work is done, not after it.

    Raises:
        UsageError: there is no such directory, or a directory in the file's place.
        CannotJudge: the machine does not let us write there.
    """
    directory = path.parent
    if not directory.is_dir():
        raise UsageError(f"cannot write {str(path)!r}: there is no directory {str(directory)!r}")
    try:
        if path.is_dir():
            raise UsageError(f"cannot write {str(path)!r}: it is a directory")
        if _is_special(path):
            return
        # Tried, not asked for: permission bits do not tell of read-only and virtual file systems.
        with tempfile.TemporaryFile(dir=path.resolve().parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        # A read-only place is the machine's doing, a name that no machine takes is not.
        kind = UsageError if error.errno == errno.ENAMETOOLONG else CannotJudge
        raise kind(f"cannot write {str(path)!r}: {error.strerror}") from None


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write ``data`` to ``path``; on failure or interruption the file is as it was before.

    Killed in between, it leaves a file whose name ``is_left_over``.

    Args:
        private: only its owner may read it.
    """
    try:
        if _is_special(path):
            path.write_bytes(data)  # a terminal or a pipe cannot be put in place, and must not be replaced
        else:
            _replace(path.resolve(), data, 0o600 if private else 0o666 & ~_umask())
    except OSError as error:
        raise CannotJudge(f"cannot write {str(path)!r}: {error.strerror}") from None


def _is_special(path: Path) -> bool:
    """Whether there is something at ``path`` that is no regular file: /dev/null, a named pipe."""
    return path.exists() and not path.is_file()


def is_left_over(name: str, of: str) -> bool:
    """Whether a file of this name is what a writer of the file ``of`` left behind when it was killed."""
    return name.startswith(f".{of}.")


def _replace(path: Path, data: bytes, mode: int) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    """The permissions that new files are not to have; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
