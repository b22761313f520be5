"""What ``grader doctor`` takes."""

import argparse
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "doctor", "say what this machine can isolate and reproduce")
    command.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> int:
    from grader.cli import doctor

    return doctor.run()
