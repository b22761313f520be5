"""What several commands take, how a command is added to the parser, and what is made of it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import UsageError
from grader.limits import DEFAULT_ISOLATION, JOB_MAX_NUMBER, QUESTION_MAX_SECONDS, SEED_BOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from grader.cohort.pool import Backend, Setup
    from grader.grading.options import Options
    from grader.report.terminal import Progress

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

# In the order of --help: each is an option of `grade`, and a --format of `report`.
FORMATS = {
    "html": "the report, for a browser",
    "json": "the result as data",
    "markdown": "a summary for the page of a GitHub workflow",
    "junit": "JUnit XML, as Jenkins and GitLab read it",
    "gradescope": "results.json of a Gradescope autograder",
    "classroom": "the points for GitHub Classroom, as its workflow's reporter reads them",
    "check50": "the JSON of check50",
}


def add_command(
    commands: "Commands", name: str, what: str, *, judges: bool = True, only_prints: bool = False
) -> argparse.ArgumentParser:
    """A command with its one line in ``grader --help``.

    Args:
        judges: whether it comes to a verdict, on a submission, an exercise or a machine.
        only_prints: whether what it does is to print, or to write the one file that it is given.
    """
    command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    command.set_defaults(judges=judges, only_prints=only_prints)
    return command


def add_exercise(command: argparse.ArgumentParser, default: str) -> None:
    """--exercise, and what is meant without it."""
    command.add_argument("--exercise", metavar="DIR", type=Path, help=f"the exercise, or built-in (default: {default})")


def add_questions(command: argparse.ArgumentParser, *, seed: str, thorough: str) -> None:
    """Which questions are asked; ``seed`` and ``thorough`` say what these two do."""
    command.add_argument(
        "--only", metavar="ITEM", nargs="+", action="extend", default=[], help="grade these items only"
    )
    command.add_argument("--seed", metavar="N", type=seed_of, help=seed)
    command.add_argument("--thorough", action="store_true", help=thorough)


def add_running(command: argparse.ArgumentParser, *, timeout: str = "default 10") -> None:
    """How the candidate's code is run."""
    add_isolation(command, "the candidate's process")
    command.add_argument(
        "--timeout",
        metavar="S",
        type=_positive,
        help="seconds that the code may take for one question, computing or asleep; waiting for a busy machine is not "
        f"counted ({timeout})",
    )


def add_isolation(command: argparse.ArgumentParser, whose: str, *, only: str = "") -> None:
    """--isolation; ``only`` says with what else it goes."""
    command.add_argument(
        "--isolation",
        choices=("strict", "process"),
        default=None if only else DEFAULT_ISOLATION,
        help=f"{only}strict locks {whose}, or refuses to run it (default on Linux); process does not lock it",
    )


def add_audience(command: argparse.ArgumentParser, default: str | None = "instructor") -> None:
    """Who may read what is written. Without a default it is the learner's in a workspace, else the instructor's."""
    usual = "(default)" if default else "(default, but in a workspace that is graded against its own exercise)"
    command.add_argument(
        "--audience",
        choices=("instructor", "learner"),
        default=default,
        help=f"for whom it is written: instructor, everything {usual}; learner, nothing of the hidden reference",
    )


FEEDBACK = ("score", "items", "evidence", "hints")


def add_feedback(command: argparse.ArgumentParser, default: str = "what exercise.toml says, else hints") -> None:
    """How much of a result a learner is shown."""
    command.add_argument(
        "--feedback",
        choices=FEEDBACK,
        help="how much of a result a learner is shown, each with those before it: score, the points of the whole; "
        f"items, status and points of each; evidence, what was seen; hints, where to look (default: {default})",
    )


def add_jobs(command: argparse.ArgumentParser) -> None:
    """--jobs and --scheduler: where several are graded at a time."""
    where = command.add_mutually_exclusive_group()
    where.add_argument("--jobs", metavar="N", type=_jobs, help="how many are graded at a time (default: one a core)")
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="grade on the workers of the Dask cluster whose scheduler is at ADDRESS, such as tcp://HOST:8786, "
        "one submission at a time on each (needs Dask: the extra cluster)",
    )


def seed_of(text: str) -> int:
    """The type of --seed."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < SEED_BOUND:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2**53 - 1")
    return value


def options_of(arguments: argparse.Namespace) -> "Options":
    """How to grade, as the command line says; what a command does not take is as usual."""
    from grader.grading.options import Options

    given = {
        "only": tuple(getattr(arguments, "only", ())),
        "seed": getattr(arguments, "seed", None),
        "thorough": getattr(arguments, "thorough", False),
        "isolation": arguments.isolation,
        "timeout": arguments.timeout,
    }
    return Options(**{name: value for name, value in given.items() if value is not None})


def backend_of(
    arguments: argparse.Namespace,
) -> "Callable[[Setup, Progress], AbstractContextManager[Backend]]":
    """What makes those who grade: processes of this machine, or a cluster's, which is reached no sooner than then."""
    jobs, scheduler = arguments.jobs, arguments.scheduler
    if scheduler is None:
        from grader.cohort.pool import Pool, cores

        return lambda setup, _: Pool(setup, jobs or cores())
    try:
        from grader.cohort.cluster import Cluster, ClusterBackend
    except ModuleNotFoundError as error:
        from grader.preconditions import install

        raise UsageError(f"--scheduler needs Dask ({error}); {install('cluster')}") from None
    from contextlib import contextmanager

    @contextmanager
    def on_a_cluster(setup: "Setup", progress: "Progress") -> "Iterator[Backend]":
        with Cluster(scheduler, progress.note) as cluster, ClusterBackend(cluster, setup) as backend:
            yield backend

    return on_a_cluster


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= JOB_MAX_NUMBER:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {JOB_MAX_NUMBER}")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= QUESTION_MAX_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds above 0 and up to {QUESTION_MAX_SECONDS:g}"
        )
    return value
