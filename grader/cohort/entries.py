"""What was handed in: each sub-directory and each zip archive of a directory is a candidate."""

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grader.cohort.archive import Archive
from grader.directory import Directory, Refused
from grader.errors import UsageError
from grader.printable import one_line
from grader.submission import Submission, read_folder

MAX_ARCHIVE_BYTES: Final = 4 << 20
MAX_NAME: Final = 80  # characters
EXPECTED: Final = "expected a directory with a sub-directory or a .zip for each submission"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One candidate of a cohort.

    Attributes:
        folder: where its results go: a plain name that no other candidate has.
        title: what it is called, as text to be shown.
        submission: None when it could not be read.
        reason: why not.
    """

    folder: str
    title: str
    submission: Submission | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    """All of a cohort, by name, and the names of what is none of it."""

    found: tuple[Entry, ...]
    ignored: tuple[str, ...]


def read_entries(directory: Path) -> Entries:
    """Every candidate in ``directory``, read; one that cannot be read says why.

    Raises:
        UsageError: there is no such directory, it cannot be read, or no candidate is in it.
    """
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError as error:
        raise UsageError(f"cannot read {str(directory)!r}: {error.strerror}; {EXPECTED}") from None
    if "model.py" in names:
        raise UsageError(f"{str(directory)!r} holds a model.py: it is one submission; {EXPECTED}")
    taken = [name for name in names if _is_candidate(directory / name)]
    if not taken:
        raise UsageError(f"no submissions in {str(directory)!r}; {EXPECTED}")
    ignored = tuple(one_line(name) for name in names if name not in taken and not name.startswith("."))
    return Entries(tuple(_read(directory / name) for name in taken), ignored)


def folder_of(name: str) -> str:
    """A plain file name for a candidate's: the same if it is plain, and never that of another.

    What is changed gets a tilde and a hash of the whole name behind it; no plain name has a tilde. So a name does not
    hang on which others there are, and nobody can choose a name to end up in another's place.
    """
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name)).strip("-.")[:MAX_NAME]
    if plain == name:
        return name
    return f"{plain or 'candidate'}~{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"


def _is_candidate(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return path.is_dir() or path.suffix.lower() == ".zip"


def _read(path: Path) -> Entry:
    folder, title = folder_of(path.name), one_line(path.name) or "candidate"
    try:
        if path.is_symlink():
            raise Refused("it is a symbolic link")
        return Entry(folder=folder, title=title, submission=_submission(path, title))
    except (UsageError, Refused) as error:
        reason = one_line(str(error))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    return Entry(folder=folder, title=title, reason=reason)


def _submission(path: Path, title: str) -> Submission:
    if path.is_dir():
        with Directory(path) as opened:
            return read_folder(opened, title, "it")
    with Directory(path.parent) as opened:
        data = opened.read(path.name, MAX_ARCHIVE_BYTES + 1)
    if len(data) > MAX_ARCHIVE_BYTES:
        raise Refused(f"the archive is larger than {MAX_ARCHIVE_BYTES >> 20} MiB")
    return read_folder(Archive(data), title, "it")
