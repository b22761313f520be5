"""A submission as data: the source files of a directory, read once, never followed elsewhere, never run here."""

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from grader.errors import UsageError
from grader.printable import printable

MAX_FILES: Final = 64
MAX_FILE_BYTES: Final = 512 * 1024
MAX_BYTES: Final = 900 * 1024  # of all files together, as they travel: one header of the wire format holds them
REQUIRED: Final = ("model.py", "train.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What was handed in.

    Attributes:
        files: source text by file name; a required file that could not be read says so when imported.
        notes: what was left out, and why.
    """

    name: str
    files: dict[str, str]
    sha256: str
    notes: tuple[str, ...]


def read_submission(directory: Path) -> Submission:
    """Read the ``.py`` files of ``directory``.

    Raises:
        UsageError: there is no such directory, or no model.py in it.
    """
    expected = "expected a directory that holds model.py and train.py"
    if not directory.is_dir():
        what = "not a directory" if directory.exists() else "no such directory"
        raise UsageError(f"{what}: {str(directory)!r}; {expected}")
    names = [entry for entry in os.listdir(directory) if entry.endswith(".py")]
    if "model.py" not in names:
        raise UsageError(f"no model.py in {str(directory)!r}; {expected}")
    files: dict[str, str] = {}
    notes: list[str] = []
    left = MAX_BYTES
    # The required files first: no number of others can crowd them out.
    for name in sorted(names, key=lambda name: (name not in REQUIRED, name)):
        if name.startswith("test_") or name == "conftest.py":
            continue
        try:
            if not name.isprintable():
                raise _Refused("its name is not printable")
            if len(files) >= MAX_FILES:
                raise _Refused(f"there are more than {MAX_FILES} files")
            source = _read_source(directory / name)
            if (size := len(msgspec.json.encode(source))) > left:
                raise _Refused(f"all files together are larger than {MAX_BYTES // 1024} KiB")
            files[name] = source
            left -= size
        except _Refused as reason:
            notes.append(f"{printable(name)} was not read: {reason}")
    return submission_of(printable(directory.resolve().name) or "candidate", files, notes)


def submission_of(name: str, files: Mapping[str, str], notes: Sequence[str] = ()) -> Submission:
    """A submission of these source texts. A required file that is missing raises, when imported, why."""
    digest = hashlib.sha256()
    for file, text in sorted(files.items()):
        digest.update(f"{file}\0{len(text.encode())}\0".encode())
        digest.update(text.encode())
    complete = dict(files)
    for file in REQUIRED:
        if file not in files:
            reason = next((note for note in notes if note.startswith(f"{file} ")), f"there is no {file}")
            complete[file] = f"raise ImportError({reason!r})\n"
    return Submission(name=name, files=complete, sha256=digest.hexdigest(), notes=tuple(notes))


class _Refused(Exception):
    """A file that is not taken, and why."""


def _read_source(path: Path) -> str:
    try:
        # Non-blocking: opening a pipe would wait for a writer that never comes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _Refused("it is a symbolic link" if path.is_symlink() else str(error.strerror)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _Refused("it is not a regular file")
    with open(descriptor, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _Refused(f"it is larger than {MAX_FILE_BYTES // 1024} KiB")
    try:
        return data.decode("utf-8-sig")  # like Python, without the mark that some editors put first
    except UnicodeDecodeError as error:
        raise _Refused(f"it is not UTF-8 text (byte {error.start})") from None
