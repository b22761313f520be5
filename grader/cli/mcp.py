"""``grader mcp``: serve a workspace to an assistant over the Model Context Protocol."""

import sys
from pathlib import Path

from grader.cli.exercises import chosen_exercise, exercise_to_grade
from grader.distribution import install
from grader.errors import UsageError
from grader.files.printable import one_line
from grader.learner.workspace import check_workspace, is_workspace, remember_grade
from grader.result.record import Result
from grader.sandbox.control import Mode
from grader.submission.read import Submission


def run(directory: Path, *, exercise: Path | None, isolation: Mode, timeout: float) -> int:
    """Answer until the client is gone; always 0."""
    check_workspace(directory)
    choice = exercise_to_grade(directory, exercise)
    chosen = chosen_exercise(choice.exercise)
    try:
        from grader.assistant.protocol_server import serve
    except ModuleNotFoundError as error:
        raise UsageError(f"grader mcp needs the SDK of the protocol ({error}); {install('mcp')}") from None
    from grader.assistant.tutor import Tutor
    from grader.warm import Grader

    def remember(_: Submission, result: Result) -> None:
        if is_workspace(directory):
            remember_grade(directory, result)

    for note in choice.notes:
        sys.stderr.write(f"grader: {one_line(note)}\n")
    with Grader(chosen, isolation=isolation) as grader:
        serve(Tutor(directory, chosen, grader, remember, timeout=timeout))
    return 0
