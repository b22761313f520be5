"""A learner's folder: a copy of the starter, which exercise it is and which hints were shown, and its history.

The history has a line for the start, for each grade and for each hint.
"""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from grader.errors import CannotJudge, UsageError
from grader.exercise.model import Exercise
from grader.files.read_untrusted import Directory, Refused
from grader.files.write import Existing, check_place, write_atomically, write_folder
from grader.limits import HISTORY_LINE_MAX_BYTES, HISTORY_MAX_BYTES, WORKSPACE_RECORD_MAX_BYTES
from grader.result.record import Feedback, FileChange, FollowUp, ItemResult, Outcome, Result
from grader.submission.diff import changes
from grader.submission.history import FILE as HISTORY
from grader.submission.history import (
    Change,
    Graded,
    Hinted,
    ItemScore,
    Line,
    Started,
    encode,
    last_hash,
    now,
    parse,
    read_history,
)
from grader.submission.read import Submission

RECORD: Final = ".grader.json"
OF_THE_MACHINE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What another directory would not help against."""

LAST: Final = ".grader-last.json"
"""The files that were graded last, so that the next grade can say what changed since."""

ROOM_FOR_DIFFS: Final = HISTORY_MAX_BYTES // 2  # beyond it only the numbers of lines are kept


class Workspace(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is remembered of a workspace.

    Attributes:
        exercise: the directory of the exercise that it was started from; None for the built-in one.
        starter: SHA-256 of the code that it was started with; None where that was not recorded.
        hints: how many were shown, by item.
        feedback: how much of a result is shown here; None for what the exercise says.
    """

    exercise: str | None = None
    starter: str | None = None
    hints: dict[str, Annotated[int, Meta(ge=0, le=3)]] = {}
    feedback: Feedback | None = None


def read_workspace(directory: Path) -> Workspace:
    """What is remembered of ``directory``; of one that was never started nothing.

    Raises:
        UsageError: there is no such directory, or the record in it cannot be read.
    """
    if not directory.is_dir():
        raise UsageError(f"no such directory: {str(directory)!r}; expected a workspace, as `grader start` makes it")
    path = directory / RECORD
    try:
        # It may be a submission's, and a pipe or a link of that name.
        with Directory(directory) as opened:
            return msgspec.json.decode(opened.read(RECORD, WORKSPACE_RECORD_MAX_BYTES), type=Workspace)
    except FileNotFoundError:
        return Workspace()
    except Refused as reason:
        raise UsageError(f"cannot read {str(path)!r}: {reason}") from None
    except OSError as error:
        raise UsageError(f"cannot read {str(directory)!r}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(path)!r} is damaged ({error}); remove it to begin the hints anew") from None


def write_workspace(directory: Path, workspace: Workspace) -> None:
    """Remember it, and add each hint that was not shown before to the history.

    Raises:
        CannotJudge: the machine does not let us.
    """
    shown = read_workspace(directory).hints
    write_atomically(directory / RECORD, _encoded(workspace))
    for item, number in workspace.hints.items():
        if number > shown.get(item, 0):
            record_hint(directory, item, number)


def _encoded(workspace: Workspace) -> bytes:
    return msgspec.json.format(msgspec.json.encode(workspace)) + b"\n"


def check_workspace(directory: Path) -> None:
    """Complain of a directory that is none: with neither the code that is worked on, nor a record of it.

    Raises:
        UsageError: it is not there, or is no workspace.
    """
    read_workspace(directory)
    if not any(os.path.lexists(directory / name) for name in (RECORD, "model.py")):
        raise UsageError(
            f"not a workspace: {str(directory)!r} has no model.py; expected a directory as `grader start` makes it"
        )


def is_workspace(directory: Path) -> bool:
    """Whether something is remembered of ``directory``."""
    return os.path.lexists(directory / RECORD)


def feedback_in(directory: Path, exercise: Exercise) -> Feedback:
    """How much of a result is shown in a workspace: what it was started with, and never more than its exercise shows.

    The record is the learner's, who may write anything into it.
    """
    most = Feedback(exercise.rubric.feedback or Feedback.HINTS)
    recorded = read_workspace(directory).feedback
    return recorded if recorded is not None and most.includes(recorded) else most


class TimeLimit(NamedTuple):
    """The clock of a workspace: how many minutes, and when they are over, in seconds since the epoch."""

    minutes: int
    end: float


def time_limit(directory: Path) -> TimeLimit | None:
    """What the clock was set to when the workspace was started; None where it was not."""
    lines = _history(directory)
    first = lines[0] if lines else None
    if not isinstance(first, Started) or first.minutes is None:
        return None
    return TimeLimit(first.minutes, first.at.timestamp() + 60 * first.minutes)


def earlier_scores(directory: Path) -> list[tuple[str, float]]:
    """The scores of all grades so far, each with when it was given."""
    grades = (line for line in _history(directory) if isinstance(line, Graded))
    return [(f"{line.score:g} on {line.at.astimezone():%Y-%m-%d %H:%M}", line.score) for line in grades]


def _history(directory: Path) -> tuple[Line, ...]:
    try:
        with Directory(directory) as opened:
            return parse(read_history(opened)).lines
    except OSError:
        return ()


def start(
    directory: Path,
    files: Mapping[str, str],
    exercise: Path | None,
    starter: str | None = None,
    first_line: bytes = b"",
    feedback: Feedback | None = None,
) -> None:
    """Make a workspace of these files, text by name: of all of them or none.

    Args:
        exercise: where it lies; None for the built-in one.
        starter: the hash of its starter's code.
        first_line: what its history begins with.
        feedback: how much of a result is shown in it; None for what the exercise says.

    Raises:
        UsageError: there is something in ``directory`` already, or it is a place that nothing can be put in.
        CannotJudge: the machine has no room.
    """
    check_place(directory)
    if os.path.lexists(directory) and not (directory.is_dir() and not os.listdir(directory)):
        raise UsageError(f"{str(directory)!r} exists and is not an empty directory; choose another name")
    lies_at = str(exercise.resolve()) if exercise is not None else None
    contents = {name: text.encode() for name, text in files.items()}
    contents[RECORD] = _encoded(Workspace(exercise=lies_at, starter=starter, feedback=feedback))
    if first_line:
        contents[HISTORY] = first_line
    try:
        write_folder(directory, contents, Existing.IF_EMPTY)
    except CannotJudge as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno not in OF_THE_MACHINE:
            raise UsageError(str(error)) from error
        raise


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
    path = directory / HISTORY
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
