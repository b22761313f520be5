"""What ``grader hint`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command, add_exercise

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands, "hint", "the next of three hints for an item; never the solution", judges=False, only_prints=True
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    command.add_argument(
        "item", metavar="ITEM", nargs="?", help="an item of the grade; without it: which there are, and what was shown"
    )
    add_exercise(command, "the one that the workspace was started from")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import hint

    if options.item is None:
        return hint.run_without_item(options.directory, exercise=options.exercise)
    return hint.run(options.directory, options.item, exercise=options.exercise)
