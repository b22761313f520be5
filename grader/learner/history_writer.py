"""Writes the history of a workspace: a line for its start, for each grade and for each hint."""

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from grader.errors import CannotJudge
from grader.files.read_untrusted import Directory, Refused
from grader.files.write import write_atomically
from grader.limits import HISTORY_LINE_MAX_BYTES, HISTORY_MAX_BYTES
from grader.result.record import FileChange, FollowUp, ItemResult, Outcome, Result
from grader.submission.diff import changes
from grader.submission.history import (
    FILE,
    Change,
    Graded,
    Hinted,
    ItemScore,
    Line,
    Started,
    encode,
    last_hash,
    now,
)
from grader.submission.read import Submission

LAST: Final = ".grader-last.json"
"""The files that were graded last, so that the next grade can say what changed since."""

ROOM_FOR_DIFFS: Final = HISTORY_MAX_BYTES // 2  # beyond it only the numbers of lines are kept


class _Last(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``LAST`` holds."""

    sha256: str
    files: dict[str, str]


def started_line(exercise: str, starter: str, minutes: int | None) -> bytes:
    """The first line of a history.

    Args:
        exercise: its id.
        starter: SHA-256 of the code that the workspace begins with.
        minutes: that the clock is set to; None for none.
    """
    nonce = secrets.token_hex(8)
    return encode(Started(at=now(), nonce=nonce, exercise=exercise[:80], starter=starter, minutes=minutes))


def record_hint(directory: Path, item: str, number: int) -> None:
    """Add that a hint was shown. Raises ``CannotJudge`` when it cannot be written."""
    _append(directory, lambda _: Hinted(at=now(), item=item[:80], number=number))


def record_grade(directory: Path, submission: Submission, result: Result, starter: Mapping[str, str], by: str) -> None:
    """Add a grade of ``directory``, with what changed since the one before.

    Args:
        starter: what the first grade is compared with.
        by: the command that graded.

    Raises:
        CannotJudge: it cannot be written.
    """
    before = _last(directory)
    changed = changes(starter if before is None else before.files, submission.files)
    parts: list[ItemResult | FollowUp] = [*result.items, *result.followups]
    same = before is not None and before.sha256 == submission.sha256

    def line(room: int) -> Line:
        graded = Graded(
            at=now(),
            by=by,
            sha256=submission.sha256,
            score=result.score,
            max_score=result.max_score,
            items={part.id[:80]: _score(part) for part in parts if _is_begun(part)},
            stopped=bool(result.load_faults),
            changes=tuple(_change(change, with_diff=room > ROOM_FOR_DIFFS) for change in changed),
        )
        if len(encode(graded)) > HISTORY_LINE_MAX_BYTES - 128:  # what the hash of the line before takes
            graded = replace(graded, changes=tuple(_change(change, with_diff=False) for change in changed))
        return graded

    _append(directory, line)
    if not same:
        kept = _Last(sha256=submission.sha256, files=dict(submission.files))
        write_atomically(directory / LAST, msgspec.json.encode(kept))


def _append(directory: Path, line: Callable[[int], Line]) -> None:
    """Add a line, made for the room that is left, behind the last one; two that write at once take turns."""
    path = directory / FILE
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise CannotJudge(f"cannot write {str(path)!r}: it is not a regular file")
            fcntl.flock(file, fcntl.LOCK_EX)
            data = os.pread(file, HISTORY_MAX_BYTES + 1, 0)
            room = HISTORY_MAX_BYTES - len(data)
            added = encode(replace(line(room), previous=last_hash(data)))
            if data and not data.endswith(b"\n"):
                added = b"\n" + added
            if len(added) > room:
                raise CannotJudge(f"cannot write {str(path)!r}: the history is full ({HISTORY_MAX_BYTES >> 20} MiB)")
            os.write(file, added)
        finally:
            os.close(file)
    except OSError as error:
        raise CannotJudge(f"cannot write {str(path)!r}: {error.strerror}") from None


def _last(directory: Path) -> _Last | None:
    try:
        with Directory(directory) as opened:
            return msgspec.json.decode(opened.read(LAST, HISTORY_MAX_BYTES), type=_Last)
    except (OSError, Refused, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _is_begun(part: ItemResult | FollowUp) -> bool:
    """Whether a grade says something of it that a history keeps: of follow-ups, only those that are begun."""
    return isinstance(part, ItemResult) or any(check.outcome is Outcome.PASSED for check in part.checks)


def _score(part: ItemResult | FollowUp) -> ItemScore:
    return ItemScore(status=part.status.value, score=part.score, max_score=part.max_score)


def _change(change: FileChange, *, with_diff: bool) -> Change:
    return Change(
        file=change.file[:255],
        lines_before=change.lines_before,
        lines_after=change.lines_after,
        added=change.added,
        removed=change.removed,
        diff=change.diff if with_diff else "",
        left_out=change.left_out if with_diff else change.added + change.removed,
    )
