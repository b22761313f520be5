"""``grader mcp``: serve a workspace to an assistant over the Model Context Protocol."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command, add_exercise, add_feedback, add_running, options_of
from grader.errors import UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.result.record import Result


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "mcp",
        "serve a workspace to an assistant over the Model Context Protocol: the learner's view, hints counted",
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    add_exercise(command, "the one that the workspace was started from")
    add_feedback(command, "what the workspace was started with, else what exercise.toml says")
    add_running(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Answer until the client is gone; always 0."""
    from grader.cli.exercises import chosen_exercise, exercise_to_grade
    from grader.cli.history import record
    from grader.learner.workspace import check_workspace, feedback_in, is_workspace
    from grader.preconditions import install
    from grader.result.record import Feedback
    from grader.submission.read import read_submission

    directory: Path = arguments.directory
    check_workspace(directory)
    choice = exercise_to_grade(directory, arguments.exercise)
    chosen = chosen_exercise(choice.exercise)
    shown = Feedback(arguments.feedback or feedback_in(directory, chosen))
    try:
        from grader.assistant.protocol_server import serve
    except ModuleNotFoundError as error:
        raise UsageError(f"grader mcp needs the SDK of the protocol ({error}); {install('mcp')}") from None
    from grader.api import Grader
    from grader.assistant.tutor import Tutor

    def remember(result: "Result") -> None:
        if not is_workspace(directory):
            return
        submission = read_submission(directory)
        if submission.sha256 == result.candidate.sha256:  # it may have been saved over meanwhile
            for note in record(directory, submission, result, chosen.starter(), "mcp"):
                sys.stderr.write(f"grader: {one_line(note)}\n")

    for note in choice.notes:
        sys.stderr.write(f"grader: {one_line(note)}\n")
    options = options_of(arguments)
    with Grader(chosen, isolation=options.isolation) as grader:
        serve(Tutor(directory, chosen, grader, remember, timeout=options.timeout, feedback=shown))
    return 0
