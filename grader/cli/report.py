"""``grader report``: render a result again, without running anything."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import FORMATS, add_audience, add_command, add_feedback

if TYPE_CHECKING:
    from grader.cli.options import Commands


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
    add_feedback(command, "what the result says")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write a result file in another format, to a file or with ``-`` to standard output; always 0."""
    from grader.cli import outputs
    from grader.cli.outputs import read_result
    from grader.result.audience import for_audience
    from grader.result.record import Audience, Feedback

    outputs.check({arguments.format: arguments.output})
    feedback = Feedback(arguments.feedback) if arguments.feedback is not None else None
    result = for_audience(read_result(arguments.result), Audience(arguments.audience), feedback)
    outputs.write(result, {arguments.format: arguments.output}, lambda: "")
    return 0
