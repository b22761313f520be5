"""``grader grade``: grade a directory, print the verdict, write what was asked for."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import (
    FORMATS,
    add_audience,
    add_command,
    add_exercise,
    add_feedback,
    add_questions,
    add_running,
    options_of,
)
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line
from grader.limits import RECHECK_QUESTION_MAX_SECONDS

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.grading.options import Options
    from grader.report.text import Command
    from grader.result.record import Result


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
    command.add_argument(
        "--certificate",
        metavar="FILE",
        type=_file,
        help="write a certificate: the instructor's result with the submission, for `grader recheck` to reach it again",
    )
    add_audience(command, default=None)
    add_feedback(command)
    add_questions(
        command,
        seed="repeat a grade; without it the seed is drawn in secret",
        thorough="try eight times as many cases in each check, and larger ones; takes up to five times as long",
    )
    add_running(command, timeout="default 10; with --check as then")
    command.add_argument(
        "--check",
        metavar="RESULT.json",
        type=Path,
        help="grade again as this result was, and say item by item whether its verdict holds (exit code 0) or not (1)",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Grade and report; the exit code."""
    from dataclasses import replace

    from grader.cli import outputs
    from grader.cli.exercises import Choice, exercise_to_grade, note_on_another_starter, reference_directory, session_on
    from grader.cli.hint import hint_command
    from grader.cli.history import record
    from grader.hand_ins.read_hand_ins import read_hand_in
    from grader.report.terminal import Progress

    files = {name: file for name in FORMATS if (file := getattr(arguments, name)) is not None}
    certificate: Path | None = arguments.certificate
    outputs.check({**files, "certificate": str(certificate)} if certificate is not None else files)
    options = options_of(arguments)
    recorded = _recorded(arguments.check, options)
    if recorded is not None:
        options = _as_recorded(recorded, options, arguments.timeout)
    directory: Path = arguments.directory
    choice = Choice(arguments.exercise, "", by_workspace=False)
    if directory.is_dir():
        choice = exercise_to_grade(directory, arguments.exercise)
    _say(choice.notes)
    reference_directory(choice.exercise)  # whether there is one is known before the submission is read
    submission = read_hand_in(directory)
    if certificate is not None:
        submission = replace(submission, history=b"")  # a certificate is about the code alone
    _guard_against_candidates()
    with session_on(choice.exercise, options.isolation, one_grade=True) as session:
        from grader.files.write import write_atomically
        from grader.learner.workspace import feedback_in
        from grader.result.audience import for_audience
        from grader.result.certificate import certify, to_bytes
        from grader.result.record import Audience, Feedback

        outputs.prepare(files)
        _say(note_on_another_starter(directory, session.exercise.starter()))
        with Progress() as progress:
            result = session.grade(submission, options, progress=progress)
    feedback = Feedback(arguments.feedback) if arguments.feedback is not None else None
    if certificate is not None:
        write_atomically(certificate, to_bytes(certify(submission.given, submission.tests, result)), private=True)
    if choice.by_workspace and recorded is None and arguments.audience != Audience.INSTRUCTOR:
        feedback = feedback or feedback_in(directory, session.exercise)
        # An instructor who looks at it leaves it as it was handed in.
        kept = for_audience(result, Audience.LEARNER, feedback)
        _say(record(directory, submission, kept, session.exercise.starter(), "grade"))
    by_default = Audience.LEARNER if choice.by_workspace and recorded is None else Audience.INSTRUCTOR
    audience = Audience(arguments.audience) if arguments.audience is not None else by_default
    shown = for_audience(result, audience, feedback)
    if recorded is not None:
        holds = _confirm(recorded, result, shown, files)
    else:
        hint = hint_command(directory, arguments.exercise) if directory.is_dir() else None  # an archive keeps no count
        _report(shown, files, choice.named, hint)
        holds = result.full_marks
    if not result.judged:
        return CannotJudge.exit_code
    return 0 if holds else 1


def _file(text: str) -> Path:
    if text == "-":
        raise argparse.ArgumentTypeError("expected the name of a file: a certificate is not printed")
    return Path(text)


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        sys.stderr.write(f"grader: {one_line(note)}\n")


def _recorded(path: Path | None, options: "Options") -> "Result | None":
    """The result to be confirmed, if one was named; it says itself how it was asked for."""
    if path is None:
        return None
    from grader.cli.outputs import read_result

    given_options = {"--seed": options.seed is not None, "--only": options.only, "--thorough": options.thorough}
    for option, given in given_options.items():
        if given:
            raise UsageError(f"{option} with --check; the result to check says how it was graded")
    result = read_result(path)
    if result.environment.seed is None:
        raise UsageError(
            f"{str(path)!r} is a learner's view: it holds no seed, and cannot be checked; expected the instructor's"
        )
    return result


def _as_recorded(recorded: "Result", options: "Options", timeout: float | None) -> "Options":
    """The options that a result was graded with; its time-out is obeyed up to a bound, and ``timeout`` goes first."""
    from dataclasses import replace

    asked = recorded.asked
    return replace(
        options,
        seed=recorded.environment.seed,
        only=asked.only,
        thorough=asked.thorough,
        shared=asked.shared,
        timeout=timeout or min(asked.timeout, RECHECK_QUESTION_MAX_SECONDS),
    )


def _report(shown: "Result", files: Mapping[str, str], exercise: str, hint: "Command | None") -> None:
    """Write and print the verdict."""
    from grader.cli import outputs
    from grader.report import render_text
    from grader.report.terminal import paint_for

    outputs.write(shown, files, lambda: render_text(shown, paint_for(sys.stdout), exercise, hint))


def _confirm(recorded: "Result", result: "Result", shown: "Result", files: Mapping[str, str]) -> bool:
    """Write the new result, print how the recorded one compares with it; whether that is confirmed."""
    from grader.cli import outputs
    from grader.report.side_by_side import render_recheck
    from grader.report.terminal import paint_for
    from grader.result.recheck import recheck

    found = recheck(recorded, result)
    outputs.write(shown, files, lambda: render_recheck(found, paint_for(sys.stdout)))
    return found.same


def _guard_against_candidates() -> None:
    """Keep this process's memory from other processes of the same user."""
    from grader.sandbox.lock import not_dumpable

    if sys.platform == "linux":
        not_dumpable()
