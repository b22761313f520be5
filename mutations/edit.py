"""One replacement in a source text, and the text that a set of them makes.

A lattice of variants splices the same few edits again and again, so this module parses nothing and imports no parser.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from mutations.errors import SpliceError

SHOWN: Final = 60  # characters of a text, in a message


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes [start, end) of the UTF-8 text of a file, which read `before`, become `after`."""

    file: str
    start: int
    end: int
    before: str
    after: str

    def to_dict(self) -> dict[str, Any]:
        """The edit as it stands in a key.json."""
        return {"file": self.file, "span": [self.start, self.end], "before": self.before, "after": self.after}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Edit":
        """The edit in an entry of a key.json; what else the entry holds is left alone."""
        start, end = data["span"]
        return cls(data["file"], start, end, data["before"], data["after"])


@dataclass(frozen=True, slots=True)
class Rewritten(Edit):
    """An edit that plants a bug in lines that it rewrites as well.

    Attributes:
        honest: what the same rewriting makes of `before` without the bug: it computes what `before` does.
    """

    honest: str

    @property
    def without_the_bug(self) -> Edit:
        """The rewriting alone."""
        return Edit(self.file, self.start, self.end, self.before, self.honest)


def splice(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit made, in whatever order they come; all other bytes stay as they are.

    Raises:
        SpliceError: edits of several files, a span that does not hold what it should, or two spans that overlap.
    """
    source = text.encode()
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    files = sorted({edit.file for edit in ordered})
    if len(files) > 1:
        raise SpliceError(f"edits of files={files!r} in one text; splice each file by itself")
    for edit in ordered:
        found = source[edit.start : edit.end] if 0 <= edit.start <= edit.end <= len(source) else None
        if found != edit.before.encode():
            raise SpliceError(
                f"span={(edit.start, edit.end)!r} of {edit.file} holds {_cut(found)}, expected {_cut(edit.before)}; "
                "the edit was made for another text"
            )
    for left, right in pairwise(ordered):
        if right.start < left.end or right.start == left.start:
            raise SpliceError(
                f"{_cut(left.before)} at {(left.start, left.end)!r} and "
                f"{_cut(right.before)} at {(right.start, right.end)!r} "
                f"of {left.file} overlap; make one edit of the two"
            )
    pieces = []
    position = 0
    for edit in ordered:
        pieces += [source[position : edit.start], edit.after.encode()]
        position = edit.end
    return b"".join([*pieces, source[position:]]).decode()


def _cut(text: str | bytes | None) -> str:
    """As Python writes it; of a whole function the beginning is enough."""
    return repr(text) if text is None or len(text) <= SHOWN else f"{text[:SHOWN]!r}…"
