"""How the sources of two results differ, read off what each has changed in one starter.

A result holds no sources, but it holds what became of the starter's. Of two results of one exercise that is enough:
lines of the starter that neither touched are the same in both, whatever they are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Final

from grader.limits import DIFF_FILE_MAX_LINES
from grader.result.record import FileChange

_HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")
_UNSEEN: Final = "\0"  # begins what stands for a line that neither result has touched; no line that is shown holds it


@dataclass(frozen=True, slots=True)
class _Edits:
    """What a diff says of the starter's file: lines by their number, the first being 1."""

    known: dict[int, str] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    inserted: dict[int, list[str]] = field(default_factory=dict)  # by the line that they stand before


def source_diff(before: Sequence[FileChange], after: Sequence[FileChange]) -> tuple[FileChange, ...]:
    """What changed from one submission to the other, file by file, as if one had been the other's starter.

    Args:
        before: what the one had changed in the starter.
        after: what the other had changed in the same starter.

    A diff that was too long to be kept whole tells too little: then ``left_out`` is 1, there is no diff, and only how
    many lines the file had and has is known.
    """
    old, new = ({change.file: change for change in side} for side in (before, after))
    found = (_between(name, old.get(name), new.get(name)) for name in sorted(old | new))
    return tuple(change for change in found if change is not None)


def _between(name: str, old: FileChange | None, new: FileChange | None) -> FileChange | None:
    if old is not None and new is not None and (old.diff, old.left_out) == (new.diff, new.left_out):
        return None
    in_starter = next(change.lines_before for change in (old, new) if change is not None)
    counts = [in_starter if change is None else change.lines_after for change in (old, new)]
    if any(change is not None and _is_too_long(change) for change in (old, new)):
        return FileChange(
            file=name, lines_before=counts[0], lines_after=counts[1], added=0, removed=0, diff="", left_out=1
        )
    edits = [_edits(change) for change in (old, new)]
    known = edits[0].known | edits[1].known
    here, there = (list(_lines(each, in_starter or 0, known)) for each in edits)
    lines = list(unified_diff(here, there, lineterm=""))[2:]
    return FileChange(
        file=name,
        lines_before=counts[0],
        lines_after=counts[1],
        added=sum(line.startswith("+") for line in lines),
        removed=sum(line.startswith("-") for line in lines),
        diff="\n".join(line for line in lines if not line.startswith(f" {_UNSEEN}")),
    )


def _is_too_long(change: FileChange) -> bool:
    """Whether a diff was cut, or is none of a grader's: a result may come from anywhere, and difflib takes its time."""
    lines = max(change.lines_before or 0, change.lines_after or 0, change.diff.count("\n"))
    return change.left_out > 0 or lines > DIFF_FILE_MAX_LINES


def _edits(change: FileChange | None) -> _Edits:
    found = _Edits()
    place = 1  # the line of the starter that comes next
    for line in change.diff.splitlines() if change is not None else ():
        if hunk := _HUNK.match(line):
            # A hunk without lines of the starter names the line before it.
            place = int(hunk[1]) + (hunk[2] == "0")
            continue
        sign, text = line[:1], line[1:]
        if sign == "+":
            found.inserted.setdefault(place, []).append(text)
            continue
        found.known[place] = text
        if sign == "-":
            found.removed.add(place)
        place += 1
    return found


def _lines(edits: _Edits, in_starter: int, known: dict[int, str]) -> Iterator[str]:
    """A whole file, with a mark that is never the same in place of each line that neither side touched."""
    for number in range(1, in_starter + 2):
        yield from edits.inserted.get(number, ())
        if number <= in_starter and number not in edits.removed:
            yield known.get(number, f"{_UNSEEN}{number}")
