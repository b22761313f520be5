"""What ``grader grade`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import FORMATS, add_audience, add_command, add_exercise, add_running, seed

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "grade", "grade a directory or an archive that holds model.py and train.py")
    command.add_argument(
        "directory",
        metavar="DIR",
        type=Path,
        help="the submission: a directory with model.py and train.py, or a .zip or .tar.gz of it",
    )
    add_exercise(command, "the one that a workspace was started from, else the built-in one")
    for name, what in FORMATS.items():
        command.add_argument(f"--{name}", metavar="FILE", help=f"write {what}; - for standard output")
    add_audience(command, default=None)
    command.add_argument(
        "--only", metavar="ITEM", nargs="+", action="extend", default=[], help="grade these items only"
    )
    command.add_argument(
        "--seed", metavar="N", type=seed, help="repeat a grade; without it the seed is drawn in secret"
    )
    command.add_argument(
        "--thorough",
        action="store_true",
        help="try eight times as many cases in each check, and larger ones; takes up to five times as long",
    )
    add_running(command, timeout="default 10; with --check as then")
    command.add_argument(
        "--check",
        metavar="RESULT.json",
        type=Path,
        help="grade again as this result was, and say item by item whether its verdict holds (exit code 0) or not (1)",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import grade

    return grade.run(
        options.directory,
        exercise=options.exercise,
        files={name: file for name in FORMATS if (file := getattr(options, name)) is not None},
        audience=options.audience,
        only=tuple(options.only),
        seed=options.seed,
        thorough=options.thorough,
        isolation=options.isolation,
        timeout=options.timeout,
        check=options.check,
    )
