"""What ``grader report`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import FORMATS, add_audience, add_command

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands, "report", "render a result again, without running anything", judges=False, only_prints=True
    )
    command.add_argument("result", metavar="RESULT.json", type=Path, help="what `grader grade --json` wrote")
    command.add_argument("-o", "--output", metavar="FILE", required=True, help="write it here; - for standard output")
    command.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="html",
        help="as which the result is written (default html); see the options of grade",
    )
    add_audience(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import report

    return report.run(options.result, options.output, options.format, options.audience)
