"""What ``grader watch`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command, add_exercise, add_running

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "watch", "grade again whenever a file is saved, and say what changed")
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    add_exercise(command, "the one that the workspace was started from")
    command.add_argument("--html", metavar="FILE", type=Path, help="write the learner's report here each time")
    add_running(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import watch

    return watch.run(
        options.directory,
        exercise=options.exercise,
        html=options.html,
        isolation=options.isolation,
        timeout=options.timeout,
    )
