"""``grader export``: an exercise as a task folder for agents."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands


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
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the folder and say what is where; always 0."""
    from grader.cli.exercises import chosen_exercise
    from grader.files.write import check_free, write_folder

    directory: Path = arguments.output
    check_free(directory)
    from grader.environments.harbor import harbor_task

    chosen = chosen_exercise(arguments.exercise)
    write_folder(directory, harbor_task(chosen))
    where = one_line(str(directory))
    sys.stdout.write(
        f"{chosen.rubric.title} ({chosen.rubric.id})\n"
        f"Written: {where}\n"
        f"  {where}/instruction.md, environment    for the agent\n"
        f"  {where}/tests, solution                for the verifier and the oracle alone\n"
    )
    return 0
