"""Writing a folder of files: all of it or nothing, and never over anything."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from grader.errors import CannotJudge, UsageError


def check_free(directory: Path) -> None:
    """Complain before the work is done. Raises ``UsageError`` when a new folder cannot be made there."""
    parent = directory.resolve().parent
    if not parent.is_dir():
        raise UsageError(f"cannot write {str(directory)!r}: there is no directory {str(parent)!r}")
    if os.path.lexists(directory):
        raise UsageError(f"{str(directory)!r} exists; choose another name")


def write_folder(directory: Path, files: Mapping[str, bytes]) -> None:
    """Make ``directory`` with these files, by path; those that end in ``.sh`` can be run.

    Raises:
        UsageError: there is something already, or no place for it.
        CannotJudge: the machine does not let us write there.
    """
    check_free(directory)
    target = directory.resolve()
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            made = Path(scratch) / "new"
            for name, content in files.items():
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                if path.suffix == ".sh":
                    path.chmod(path.stat().st_mode | 0o111)
            made.rename(target)
    except OSError as error:
        raise CannotJudge(f"cannot write {str(directory)!r}: {error.strerror}") from None
