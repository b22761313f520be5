"""What the candidates of a cohort are called where all of them are shown: no two of them alike."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Final

from grader.files.printable import one_line

LONGEST: Final = 100  # characters of a name beside a hash; a page cuts later
_WITH_A_HASH: Final = re.compile("~[0-9a-f]{12}$")


def told_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """By folder, the candidate's title; where another looks like it, or could be made to, with a hash behind it.

    The hash is the one of the folder's name. A candidate whose folder is called as the candidate is keeps its title
    whatever others are called: choosing a name neither takes nor changes it.
    """
    shown = {folder: one_line(title) for folder, title in titles.items()}
    looks = Counter(_look(title) for title in shown.values())
    owned = Counter(_look(title) for folder, title in shown.items() if folder == title)

    def name(folder: str, title: str) -> str:
        look = _look(title)
        is_alone = looks[look] == 1 and not _WITH_A_HASH.search(look)
        if is_alone or (folder == title and owned[look] == 1):
            return title
        brief = title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…"
        return f"{brief} ~{_hash(folder)}"

    return {folder: name(folder, title) for folder, title in shown.items()}


def _look(title: str) -> str:
    """What is the same for titles that a reader, a page that cuts them or a spreadsheet may take for each other."""
    plain = unicodedata.normalize("NFKC", title).replace(";", ",").lstrip("'")
    return "".join(plain.split())[:LONGEST]


def _hash(folder: str) -> str:
    """The one that is in the folder's name already, if there is one."""
    _, tilde, given = folder.rpartition("~")
    return given if tilde else hashlib.sha256(folder.encode()).hexdigest()[:12]
