"""What ``grader history`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command, add_exercise

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "history",
        "what was found when in a workspace, after how many grades and hints, and whether its history is whole",
        judges=False,
        only_prints=True,
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace, or a copy of it")
    add_exercise(command, "the one that the workspace was started from")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import history

    return history.run(options.directory, exercise=options.exercise)
