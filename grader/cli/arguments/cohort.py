"""What ``grader cohort`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_audience, add_command, add_exercise, add_running, seed

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "cohort", "grade many submissions alike, several at a time, and show them together")
    command.add_argument(
        "submissions",
        metavar="SUBMISSIONS",
        type=Path,
        help="a directory in which every sub-directory and every archive is a submission, or what Moodle, Canvas, "
        "Blackboard or Gradescope deliver, unpacked or as one archive",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        required=True,
        help="write index.html, results.csv and for each submission its result and report here",
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument("--jobs", metavar="N", type=_jobs, help="how many are graded at a time (default: one a core)")
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="grade on the workers of the Dask cluster whose scheduler is at ADDRESS, such as tcp://HOST:8786, "
        "one submission at a time on each (needs Dask: the extra cluster)",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on in DIR: what was graded is kept, unless it has changed since",
    )
    add_exercise(command, "the built-in one")
    add_audience(command)
    command.add_argument(
        "--only", metavar="ITEM", nargs="+", action="extend", default=[], help="grade these items only"
    )
    command.add_argument(
        "--seed",
        metavar="N",
        type=seed,
        help="ask what an earlier cohort was asked; without it the seed is drawn in secret, once for all submissions",
    )
    command.add_argument(
        "--thorough", action="store_true", help="try eight times as many cases in each check, and larger ones"
    )
    add_running(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import cohort

    return cohort.run(
        options.submissions,
        options.output,
        jobs=options.jobs,
        scheduler=options.scheduler,
        resume=options.resume,
        exercise=options.exercise,
        audience=options.audience,
        only=tuple(options.only),
        seed=options.seed,
        thorough=options.thorough,
        isolation=options.isolation,
        timeout=options.timeout,
    )


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1024")
    return int(text)
