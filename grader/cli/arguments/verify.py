"""What ``grader verify`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command, add_isolation

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "verify", "prove an exercise sound: solvable, and credited bug by bug")
    command.add_argument("exercise", metavar="EXERCISE", type=Path, help="its directory")
    add_isolation(command, "the processes that run the code")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import verify

    return verify.run(options.exercise, isolation=options.isolation)
