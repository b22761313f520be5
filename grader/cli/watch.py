"""``grader watch``: grade again whenever a file is saved, and say what has changed."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command, add_exercise, add_running, options_of
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.cli.progress import Progress
    from grader.learner.watch import Graded, Overtaken, Watcher
    from grader.report.next_step import Command


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "watch", "grade again whenever a file is saved, and say what changed")
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    add_exercise(command, "the one that the workspace was started from")
    command.add_argument("--html", metavar="FILE", type=Path, help="write the learner's report here each time")
    add_running(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Grade until Ctrl-C, which is its orderly end: always 0."""
    from dataclasses import replace

    from grader.cli.exercises import exercise_of, reference_directory, session_on
    from grader.cli.progress import Progress
    from grader.files.write import check_writable
    from grader.submission.read import read_submission

    directory: Path = arguments.directory
    html: Path | None = arguments.html
    exercise = exercise_of(directory, arguments.exercise)
    reference_directory(exercise)
    read_submission(directory)  # what is missing is said at once, without waiting for torch
    if html is not None:
        check_writable(html)
    options = replace(options_of(arguments), followups=False)
    try:
        with session_on(exercise, options.isolation) as session, Progress() as progress:
            from grader.cli.hint import hint_command
            from grader.learner.watch import Graded, Watcher
            from grader.learner.workspace import is_workspace, remember_grade

            watcher = Watcher(directory, session, options)
            where = one_line(str(directory))
            sys.stdout.write(f"Watching {where}: save a file and it is graded again. Ctrl-C ends.\n")
            sys.stdout.flush()
            for event in watcher.grades(progress, _tell):
                progress.clear()
                if not isinstance(event, Graded):
                    _print_overtaken(event)
                    continue
                _print(event, hint_command(directory, arguments.exercise))
                if is_workspace(directory):
                    remember_grade(directory, event.result)
                if html is not None:
                    _write(event, watcher, html, progress)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    return 0


def _print(graded: "Graded", hint: "Command") -> None:
    from grader.report import render_text
    from grader.report.next_step import next_step
    from grader.report.terminal import paint_for
    from grader.report.two_grades import render_change

    if graded.before is None:
        sys.stdout.write(f"\n{render_text(graded.result, paint_for(sys.stdout), hint=hint)}")
    else:
        change = render_change(graded.changed, graded.before, graded.result, paint_for(sys.stdout))
        sys.stdout.write(f"\n{time.strftime('%H:%M:%S')}  {change}  {next_step(graded.result, hint)}\n")
    sys.stdout.flush()


def _print_overtaken(event: "Overtaken") -> None:
    from grader.report.two_grades import render_overtaken

    sys.stdout.write(f"\n{time.strftime('%H:%M:%S')}  {render_overtaken(event.changed)}")
    sys.stdout.flush()


def _tell(trouble: str) -> None:
    sys.stdout.write(f"\nWaiting: {one_line(trouble)}\n")
    sys.stdout.flush()


def _write(graded: "Graded", watcher: "Watcher", html: Path, progress: "Progress") -> None:
    """The whole report, with the smallest failing cases: after the first words, since it takes longer."""
    from grader.files.write import write_atomically
    from grader.report import render_html
    from grader.result.audience import for_audience
    from grader.result.record import Audience

    explained = watcher.explain(graded.submission, lambda _: progress("writing the report"))
    if explained is None:
        return
    write_atomically(html, render_html(for_audience(explained, Audience.LEARNER)).encode())
    progress.clear()
    sys.stdout.write(f"Written: {one_line(str(html))}\n")
    sys.stdout.flush()
