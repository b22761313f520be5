"""``grader export``: an exercise as a task folder for agents."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands


WRITTEN = {
    "harbor": (
        "instruction.md, environment    for the agent",
        "tests, solution                for the verifier and the oracle alone",
    ),
    "verifiers": ("pyproject.toml                 install it: `pip install -e` this folder",),
    "openenv": (
        "server                         the environment: `python -m server.app` in this folder",
        "client.py                      for the agent's side",
    ),
}


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "export", "write an exercise as a task for agents, verifier included", judges=False)
    command.add_argument(
        "exercise", metavar="EXERCISE", nargs="?", type=Path, help="the exercise (default: the built-in one)"
    )
    command.add_argument(
        "--format",
        choices=tuple(WRITTEN),
        required=True,
        help="harbor: a task folder for Harbor; verifiers: a taskset's package; openenv: a server and its client",
    )
    command.add_argument(
        "-o", "--output", metavar="DIR", type=Path, required=True, help="the folder to make; it holds the solution"
    )
    command.add_argument("--agent-image", metavar="NAME", help="harbor: the agent's image, where it is not to be built")
    command.add_argument("--verifier-image", metavar="NAME", help="harbor: the verifier's, likewise")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the folder and say what is where; always 0."""
    from grader.cli.exercises import chosen_exercise
    from grader.errors import UsageError
    from grader.files.write import check_free, write_folder

    directory: Path = arguments.output
    images = arguments.agent_image, arguments.verifier_image
    if arguments.format != "harbor" and images != (None, None):
        raise UsageError(f"--agent-image and --verifier-image are Harbor's; format={arguments.format!r} has none")
    check_free(directory)
    from grader.environments.exported import harbor_task, openenv_folder, verifiers_package

    chosen = chosen_exercise(arguments.exercise)
    name = directory.resolve().name
    match arguments.format:
        case "harbor":
            files = harbor_task(chosen, *images)
        case "verifiers":
            files = verifiers_package(chosen, name)
        case _:
            files = openenv_folder(chosen, name)
    write_folder(directory, files)
    where = one_line(str(directory))
    lines = "".join(f"  {where}/{line}\n" for line in WRITTEN[arguments.format])
    sys.stdout.write(f"{chosen.rubric.title} ({chosen.rubric.id})\nWritten: {where}\n{lines}")
    return 0
