"""What ``grader mcp`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command, add_exercise, add_running

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "mcp",
        "serve a workspace to an assistant over the Model Context Protocol; the learner's view, hints counted",
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    add_exercise(command, "the one that the workspace was started from")
    add_running(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import mcp
    from grader.cli.grade import TIMEOUT

    return mcp.run(
        options.directory,
        exercise=options.exercise,
        isolation=options.isolation,
        timeout=options.timeout or TIMEOUT,
    )
