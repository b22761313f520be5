"""``grader history``: what a workspace remembers of its grades and hints."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command, add_exercise
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.result.record import Result
    from grader.submission.read import Submission


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "history",
        "what was found when in a workspace, after how many grades and hints, and whether its history is whole",
        judges=False,
        only_prints=True,
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace, or a copy of it")
    add_exercise(command, "the one that the workspace was started from")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it; 0 when its lines hold together, else 1."""
    from grader.files.read_untrusted import Directory
    from grader.learner.workspace import check_workspace
    from grader.report.timeline_words import render_timeline
    from grader.submission.history import FILE, read_history, timeline_of

    directory: Path = arguments.directory
    check_workspace(directory)
    with Directory(directory) as opened:
        timeline = timeline_of(read_history(opened))
    if timeline is None:
        raise UsageError(
            f"no history in {str(directory)!r}: there is no {FILE} that can be read; `grader start` makes a workspace "
            "with one, and `grader grade` and `grader watch` write in it"
        )
    sys.stdout.write(render_timeline(timeline, _titles(directory, arguments.exercise)))
    return 1 if timeline.troubles else 0


def record(
    directory: Path, submission: "Submission", result: "Result", starter: Mapping[str, str], by: str
) -> tuple[str, ...]:
    """Add a grade to the history of a workspace; why not, where that cannot be done: a grade is worth having all the
    same."""
    from grader.learner.workspace import record_grade

    try:
        record_grade(directory, submission, result, starter, by)
    except CannotJudge as error:
        return (f"this grade is not in the workspace's history: {one_line(str(error))}",)
    return ()


def _titles(directory: Path, exercise: Path | None) -> dict[str, str]:
    """What the items are called; nothing where the exercise is not at hand, as for the workspace of another machine."""
    from grader.cli.exercises import chosen_exercise, exercise_of

    try:
        return chosen_exercise(exercise_of(directory, exercise)).titles
    except UsageError:
        if exercise is not None:
            raise
        return {}
