"""``grader start``: a learner's workspace, the starter alone."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command, add_exercise
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands, "start", "make a workspace: the code with the bugs, for someone to mend", judges=False
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="a new directory, or an empty one")
    add_exercise(command, "the built-in one")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the workspace and say what to do in it; always 0."""
    from grader.cli.exercises import BUILT_IN, chosen_exercise, starter_digest
    from grader.exercise.starter import starter_files
    from grader.learner.workspace import start

    directory: Path = arguments.directory
    chosen = chosen_exercise(arguments.exercise)
    lies_at = None if arguments.exercise == BUILT_IN else arguments.exercise
    files = starter_files(chosen)
    start(directory, files, lies_at, starter_digest(chosen.starter()))
    where = shlex.quote(one_line(str(directory)))
    item = chosen.rubric.item[0].id
    sys.stdout.write(
        f"{chosen.rubric.title}\n"
        f"Written to {where}: {', '.join(files)}\n\n"
        f"Read its README.md first. Then:\n\n"
        + _listed(
            {
                f"grader watch {where}": "grades again whenever you save",
                f"grader hint {where}": "which hints there are",
                f"grader hint {where} {item}": "the next hint for an item",
                f"grader grade {where}": "the grade",
            }
        )
    )
    return 0


def _listed(commands: dict[str, str]) -> str:
    """A line for each command, what they do one below the other."""
    width = max(map(len, commands))
    return "".join(f"  {command:{width}}  {what}\n" for command, what in commands.items())
