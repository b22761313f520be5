"""The candidates of a cohort: what each has handed in, read, or why it cannot be."""

import hashlib
import os
import re
import unicodedata
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from grader.errors import UsageError
from grader.files.printable import one_line
from grader.files.read_untrusted import Refused
from grader.hand_ins.archives import is_archive
from grader.hand_ins.read_hand_ins import HandIn, hand_ins, opened
from grader.submission.read import Submission

MAX_NAME: Final = 80  # characters
EXPECTED: Final = (
    "expected a directory with a sub-directory or a .zip for each submission, or the archive that a learning platform "
    "delivers of them all"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One candidate of a cohort.

    Attributes:
        folder: where its results go: a plain name that no other candidate has.
        title: what it is called, as text to be shown.
        submission: None when it could not be read.
        reason: why not.
        person: the name that a platform says, without a number; empty where it says none.
    """

    folder: str
    title: str
    submission: Submission | None = None
    reason: str = ""
    person: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    """All of a cohort, by name, and the names of what is none of it."""

    found: tuple[Entry, ...]
    ignored: tuple[str, ...]


def read_entries(path: Path) -> Entries:
    """Every candidate in ``path``, a directory or the archive that a platform delivers of a whole assignment.

    One that cannot be read says why.

    Raises:
        UsageError: there is no such directory, it cannot be read, or no candidate is in it.
    """
    where = repr(str(path))
    with ExitStack() as stack:
        root = opened(path, EXPECTED, stack)
        try:
            handed_in = hand_ins(root, where, stack, is_packed=is_archive(path.name))
        except UsageError as error:
            raise UsageError(f"{error}; {EXPECTED}") from None
        if not handed_in.found:
            raise UsageError(f"no submissions in {where}; {EXPECTED}")
        return Entries(tuple(map(_read, handed_in.found)), tuple(map(one_line, handed_in.ignored)))


def folder_of(name: str) -> str:
    """A plain file name for a candidate's: the same if it is plain, and never that of another.

    What is changed gets a tilde and a hash of the whole name behind it; no plain name has a tilde. So a name does not
    hang on which others there are, and no chosen name ends up in another's place.
    """
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name)).strip("-.")[:MAX_NAME]
    if plain == name:
        return name
    return f"{plain or 'candidate'}~{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}"


def _read(hand_in: HandIn) -> Entry:
    folder, title = folder_of(hand_in.name), one_line(hand_in.title) or "candidate"
    try:
        submission = replace(hand_in.read(), name=title)
        return Entry(folder=folder, title=title, submission=submission, person=one_line(hand_in.person))
    except (UsageError, Refused) as error:
        reason = one_line(str(error))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    return Entry(folder=folder, title=title, reason=reason, person=one_line(hand_in.person))
