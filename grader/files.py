"""Writing result files: all or nothing."""

import os
import tempfile
from pathlib import Path

from grader.errors import CannotJudge, UsageError


def check_writable(path: Path) -> None:
    """Complain before the work is done, not after it. Raises ``UsageError``."""
    directory = path.parent
    if not directory.is_dir():
        raise UsageError(f"cannot write {str(path)!r}: there is no directory {str(directory)!r}")
    if path.is_dir():
        raise UsageError(f"cannot write {str(path)!r}: it is a directory")
    if not os.access(directory, os.W_OK):
        raise UsageError(f"cannot write {str(path)!r}: the directory {str(directory)!r} is read-only")


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``; on failure or interruption the file is as it was before."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise CannotJudge(f"cannot write {str(path)!r}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise CannotJudge(f"cannot write {str(path)!r}: {error.strerror}") from None
    except BaseException:
        os.unlink(temporary)
        raise
