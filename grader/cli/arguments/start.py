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
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import start

    return start.run(options.directory, exercise=options.exercise)
