"""``grader start``: a learner's workspace, the starter alone."""

import argparse
import shlex
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command, add_exercise, add_feedback
from grader.errors import UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.exercise.model import Exercise
    from grader.result.record import Feedback


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "start", "make a workspace: the code with the bugs, ready to fix", judges=False)
    command.add_argument("directory", metavar="DIR", type=Path, help="a new directory, or an empty one")
    add_exercise(command, "the built-in one")
    command.add_argument(
        "--minutes",
        metavar="N",
        type=_minutes,
        help="set a clock to so many minutes from now: what is graded later is marked as later",
    )
    add_feedback(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the workspace, set its clock if it has one, and say what to do in it; always 0."""
    from grader.cli.exercises import BUILT_IN, chosen_exercise, starter_digest
    from grader.exercise.starter import starter_files
    from grader.learner.workspace import start, started_line
    from grader.result.record import Feedback
    from grader.submission.history import hash_of

    directory: Path = arguments.directory
    chosen = chosen_exercise(arguments.exercise)
    lies_at = None if arguments.exercise == BUILT_IN else arguments.exercise
    files = starter_files(chosen)
    starter = starter_digest(chosen.starter())
    first_line = started_line(chosen.rubric.id, starter, arguments.minutes)
    feedback = _feedback(arguments.feedback, chosen)
    start(directory, files, lies_at, starter, first_line, feedback)
    where = shlex.quote(one_line(str(directory)))
    item = chosen.rubric.item[0].id
    hints = {
        f"grader hint {where}": "which hints there are",
        f"grader hint {where} {item}": "the next hint for an item",
    }
    if (feedback or chosen.rubric.feedback or Feedback.HINTS) != Feedback.HINTS:
        hints = {}
    sys.stdout.write(
        f"{chosen.rubric.title}\n"
        f"Written to {where}: {', '.join(files)}\n\n"
        f"{_clock(arguments.minutes)}"
        f"Read its README.md first. Then:\n\n"
        + _listed(
            {
                f"grader watch {where}": "grades again whenever you save",
                **hints,
                f"grader grade {where}": "the grade",
                f"grader history {where}": "what was found when, and with which hints",
            }
        )
        + f"\nIts history begins with {hash_of(first_line.rstrip())[:16]}.\n"
    )
    return 0


def _feedback(asked: str | None, exercise: "Exercise") -> "Feedback | None":
    """How much is shown in this workspace. Raises ``UsageError`` for more than the exercise shows."""
    from grader.result.record import Feedback

    most = Feedback(exercise.rubric.feedback or Feedback.HINTS)
    if asked is None:
        return None
    if not most.includes(Feedback(asked)):
        raise UsageError(
            f"--feedback {asked}: this exercise shows learners no more than {most.value!r}; its exercise.toml says so"
        )
    return Feedback(asked)


def _clock(minutes: int | None) -> str:
    if minutes is None:
        return ""
    end = datetime.now() + timedelta(minutes=minutes)
    return (
        f"The clock is set to {minutes} minutes: until {end:%H:%M}. It says when the time is up, and stops nothing.\n\n"
    )


def _minutes(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 0 < value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of minutes from 1 to 10000")
    return value


def _listed(commands: dict[str, str]) -> str:
    """A line for each command, what they do one below the other."""
    width = max(map(len, commands))
    return "".join(f"  {command:{width}}  {what}\n" for command, what in commands.items())
