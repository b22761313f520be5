"""What ``grader review`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "review",
        "when it is over: what was wrong, how it is found, and what a good answer says; shows every solution",
        judges=False,
        only_prints=True,
    )
    command.add_argument(
        "exercise",
        metavar="EXERCISE",
        type=Path,
        help="the exercise itself, as `grader inject` makes it, or built-in; never a workspace",
    )
    command.add_argument(
        "--result", metavar="RESULT.json", type=Path, help="say beside each item how this one fared with it"
    )
    command.add_argument("--html", metavar="FILE", type=Path, help="write it here as a page, instead of printing it")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import review

    return review.run(options.exercise, result=options.result, html=options.html)
