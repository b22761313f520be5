"""What ``grader start`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command, add_exercise

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands, "start", "make a workspace: the code with the bugs, for someone to mend", judges=False
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="a new directory, or an empty one")
    add_exercise(command, "the built-in one")
    command.add_argument(
        "--minutes",
        metavar="N",
        type=_minutes,
        help="set a clock to so many minutes from now: what is graded later is marked as later",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import start

    return start.run(options.directory, exercise=options.exercise, minutes=options.minutes)


def _minutes(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 0 < value <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of minutes from 1 to 10000")
    return value
