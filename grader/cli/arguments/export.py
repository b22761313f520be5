"""What ``grader export`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "export", "write an exercise as a task for agents, verifier included", judges=False)
    command.add_argument(
        "exercise", metavar="EXERCISE", nargs="?", type=Path, help="the exercise (default: the built-in one)"
    )
    command.add_argument("--format", choices=("harbor",), required=True, help="harbor: a task folder for Harbor")
    command.add_argument(
        "-o", "--output", metavar="DIR", type=Path, required=True, help="the task folder to make; it holds the solution"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import export

    return export.run(options.exercise, options.output)
