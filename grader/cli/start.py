"""``grader start``: a learner's workspace, the starter alone."""

import shlex
import sys
from datetime import timedelta
from pathlib import Path

from grader.cli.exercises import BUILT_IN, chosen_exercise, starter_digest
from grader.exercise.starter import starter_files
from grader.files.printable import one_line
from grader.learner.history_writer import started_line
from grader.learner.workspace import start
from grader.submission.history import hash_of, now


def run(directory: Path, *, exercise: Path | None, minutes: int | None = None) -> int:
    """Make the workspace, set its clock if it has one, and say what to do in it; always 0."""
    chosen = chosen_exercise(exercise)
    if exercise == BUILT_IN:
        exercise = None
    files = starter_files(chosen)
    starter = starter_digest(chosen.starter())
    first_line = started_line(chosen.rubric.id, starter, minutes)
    start(directory, files, exercise, starter, first_line)
    where = shlex.quote(one_line(str(directory)))
    item = chosen.rubric.item[0].id
    sys.stdout.write(
        f"{chosen.rubric.title}\n"
        f"Written to {where}: {', '.join(files)}\n\n"
        f"{_clock(minutes)}"
        f"Read its README.md first. Then:\n\n"
        + _listed(
            {
                f"grader watch {where}": "grades again whenever you save",
                f"grader hint {where}": "which hints there are",
                f"grader hint {where} {item}": "the next hint for an item",
                f"grader grade {where}": "the grade",
                f"grader history {where}": "what was found when, and with which hints",
            }
        )
        + f"\nIts history begins with {hash_of(first_line.rstrip())[:16]}.\n"
    )
    return 0


def _clock(minutes: int | None) -> str:
    if minutes is None:
        return ""
    end = now().astimezone() + timedelta(minutes=minutes)
    return (
        f"The clock is set to {minutes} minutes: until {end:%H:%M}. It says when the time is up, and stops nothing.\n\n"
    )


def _listed(commands: dict[str, str]) -> str:
    """A line for each command, what they do one below the other."""
    width = max(map(len, commands))
    return "".join(f"  {command:{width}}  {what}\n" for command, what in commands.items())
