"""What a submission changed in the starter: a unified diff for each file, and its size."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff

from grader.files.printable import printable
from grader.limits import DIFF_FILE_MAX_CHARACTERS, DIFF_FILE_MAX_LINES, DIFF_MAX_CHARACTERS
from grader.result.record import FileChange


def changes(starter: Mapping[str, str], files: Mapping[str, str]) -> tuple[FileChange, ...]:
    """Every file that is not the same in both, by name; line ends and what cannot be seen make no difference."""
    left = DIFF_MAX_CHARACTERS
    found = []
    for name in sorted({*starter, *files}):
        before, after = (_lines(side[name]) if name in side else None for side in (starter, files))
        if before != after:
            change = _change(name, before, after, min(left, DIFF_FILE_MAX_CHARACTERS))
            left -= len(change.diff)
            found.append(change)
    return tuple(found)


def _change(name: str, before: list[str] | None, after: list[str] | None, most: int) -> FileChange:
    lines = list(_diff(before or [], after or []))
    uncompared = [max(len(side or []) - DIFF_FILE_MAX_LINES, 0) for side in (before, after)]
    kept = _within(most, lines)
    return FileChange(
        file=name,
        lines_before=None if before is None else len(before),
        lines_after=None if after is None else len(after),
        added=_starting_with("+", lines) + uncompared[1],
        removed=_starting_with("-", lines) + uncompared[0],
        diff="\n".join(kept),
        left_out=len(lines) - len(kept) + sum(uncompared),
    )


def _lines(text: str) -> list[str]:
    """The lines as they can be shown: cleaned one by one, so that none falls apart afterwards."""
    return [line if line.isprintable() else printable(line).replace("\n", " ") for line in text.splitlines()]


def _diff(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    lines = unified_diff(before[:DIFF_FILE_MAX_LINES], after[:DIFF_FILE_MAX_LINES], lineterm="")
    next(lines, None)  # the two that name the file
    next(lines, None)
    return lines


def _starting_with(sign: str, lines: Sequence[str]) -> int:
    return sum(line.startswith(sign) for line in lines)


def _within(most: int, lines: Sequence[str]) -> list[str]:
    """As many whole lines from the start as fit."""
    kept = []
    for line in lines:
        most -= len(line) + 1
        if most < 0:
            break
        kept.append(line)
    return kept
