"""A learner's folder: a copy of the starter, and beside it which exercise it is and which hints were shown."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from grader.errors import CannotJudge, UsageError
from grader.exercise.model import Exercise
from grader.files.read_untrusted import Directory, Refused
from grader.files.write import Existing, check_place, write_atomically, write_folder
from grader.learner.history_writer import record_hint
from grader.limits import WORKSPACE_RECORD_MAX_BYTES
from grader.result.record import Feedback
from grader.submission.history import FILE as HISTORY
from grader.submission.history import Graded, Line, Started, parse, read_history

RECORD: Final = ".grader.json"
OF_THE_MACHINE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What another directory would not help against."""


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
