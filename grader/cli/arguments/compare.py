"""What ``grader compare`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_audience, add_command

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "compare",
        "results of one exercise side by side: points, first divergence, and what changed in the files",
        judges=False,
        only_prints=True,
    )
    command.add_argument(
        "results",
        metavar="RESULT",
        nargs="+",
        type=Path,
        help="two or more files that `grader grade --json` wrote, the older first, or one directory of them",
    )
    command.add_argument("--html", metavar="FILE", type=Path, help="write it here as a page, too")
    add_audience(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import compare

    return compare.run(options.results, html=options.html, audience=options.audience)
