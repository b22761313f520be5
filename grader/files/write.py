"""Writing files and folders: all of it or nothing, and by one run at a time."""

import contextlib
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from enum import Enum
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


class Existing(Enum):
    """What becomes of a folder that is there already.

    Attributes:
        REFUSED: it stays, and nothing is written.
        IF_EMPTY: an empty one gives way.
        REPLACED: it is replaced, and still there if writing fails.
        KEPT: it stays, as what another process has just put there.
    """

    REFUSED = "refused"
    IF_EMPTY = "if empty"
    REPLACED = "replaced"
    KEPT = "kept"


def check_place(directory: Path) -> None:
    """Complain before the work is done. Raises ``UsageError`` where there is no directory to put a folder in."""
    parent = directory.resolve().parent
    if not parent.is_dir():
        raise UsageError(f"cannot write {str(directory)!r}: there is no directory {str(parent)!r}")


def check_free(directory: Path) -> None:
    """Complain before the work is done. Raises ``UsageError`` when a new folder cannot be made there."""
    check_place(directory)
    if os.path.lexists(directory):
        raise UsageError(f"{str(directory)!r} exists; choose another name")


def write_folder(
    directory: Path, files: Mapping[str, bytes], existing: Existing = Existing.REFUSED, *, same_times: bool = False
) -> None:
    """Make ``directory`` with these files, by path; those that end in ``.sh`` can be run.

    Args:
        existing: what becomes of a folder that is there.
        same_times: give all files one and the same time: which of them were edited must not show.

    Raises:
        UsageError: there is something already, or no place for it.
        CannotJudge: the machine does not let us write there.
    """
    check_place(directory)
    if existing is Existing.REFUSED:
        check_free(directory)
    target = directory.resolve()
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            made = Path(scratch) / "new"
            _fill(made, files)
            if same_times:
                _set_times(made)
            put_folder(made, target, existing)
    except OSError as error:
        raise CannotJudge(f"cannot write {str(directory)!r}: {error.strerror}") from error


def put_folder(made: Path, target: Path, existing: Existing) -> None:
    """Give a folder its place. Raises OSError where it cannot have it."""
    if existing is Existing.REPLACED and target.exists():
        _exchange(made, target)
        return
    try:
        made.rename(target)  # an empty directory in its place gives way
    except OSError:
        if existing is not Existing.KEPT or not target.is_dir():
            raise


def make_private(directory: Path) -> None:
    """Make a directory for its owner alone, if it is not there. Raises ``UsageError`` for what is none."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    if not directory.is_dir():
        raise UsageError(f"cannot write {str(directory)!r}: it is not a directory")


@contextlib.contextmanager
def held(directory: Path, doing: str) -> Iterator[None]:
    """A directory for one run at a time; however it ends, the kernel gives the directory free.

    Args:
        doing: what the other run does, if there is one.

    Raises:
        UsageError: another run holds it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock(descriptor, directory, doing)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int, path: Path, doing: str) -> None:
    """Hold what is open at ``path`` until it is closed. Raises ``UsageError`` when another run holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"another run {doing} {str(path)!r}; wait until it has ended") from None


def _exchange(made: Path, target: Path) -> None:
    """Put one folder in the place of another; interrupted, the other is still there."""
    old = made.with_name("old")
    try:
        target.rename(old)
        made.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise


def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if path.suffix == ".sh":
            path.chmod(path.stat().st_mode | 0o111)


def _set_times(folder: Path) -> None:
    now = time.time()
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (now, now))


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
