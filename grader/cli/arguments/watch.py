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
    command.add_argument(
        "--open",
        dest="live",
        action="store_true",
        help="serve a page here that keeps up with every save, and open a browser on it (needs the extra live)",
    )
    add_running(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import watch

    return watch.run(
        options.directory,
        exercise=options.exercise,
        html=options.html,
        live=options.live,
        isolation=options.isolation,
        timeout=options.timeout,
    )
