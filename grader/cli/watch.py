"""``grader watch``: grade again whenever a file is saved, and say what has changed."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.exercises import chosen_exercise, exercise_of, reference_directory
from grader.cli.grade import TIMEOUT
from grader.cli.progress import Progress
from grader.files.printable import one_line
from grader.files.write import check_writable, write_atomically
from grader.isolation_advice import naming_the_way_out
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode
from grader.submission.read import read_submission

if TYPE_CHECKING:
    from grader.learner.watch import Graded, Overtaken, Watcher


def run(directory: Path, *, exercise: Path | None, html: Path | None, isolation: Mode, timeout: float | None) -> int:
    """Grade until Ctrl-C, which is its orderly end: always 0."""
    exercise = exercise_of(directory, exercise)
    reference = reference_directory(exercise)
    read_submission(directory)  # what is missing is told at once, without waiting for torch
    if html is not None:
        check_writable(html)
    try:
        with naming_the_way_out(), Launcher(isolation, hidden=[reference]) as launcher:
            from grader.cli.history import remember
            from grader.grading.options import Options
            from grader.learner.watch import Graded, Watcher
            from grader.learner.workspace import is_workspace

            options = Options(isolation=isolation, timeout=timeout or TIMEOUT, followups=False)
            chosen = chosen_exercise(exercise)
            with Watcher(directory, chosen, launcher, options) as watcher, Progress() as progress:
                where = one_line(str(directory))
                sys.stdout.write(
                    f"Watching {where}: save a file and it is graded again. Ctrl-C ends.\n{_clock(directory)}"
                )
                sys.stdout.flush()
                for event in watcher.grades(progress, _tell):
                    progress.clear()
                    if not isinstance(event, Graded):
                        _print_overtaken(event)
                        continue
                    _print(event)
                    if is_workspace(directory):
                        for note in remember(directory, event.submission, event.result, chosen.starter(), "watch"):
                            progress.note(note)
                    if html is not None:
                        _write(event, watcher, html, progress)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    return 0


def _clock(directory: Path) -> str:
    """How much of the time is left, on a line of its own; nothing where no clock was set."""
    from grader.learner.workspace import deadline

    end = deadline(directory)
    if end is None:
        return ""
    left = round((end - time.time()) / 60)
    return f"The clock: {left} min left.\n" if left > 0 else f"The clock: the time was up {-left} min ago.\n"


def _print(graded: "Graded") -> None:
    from grader.report import render_text
    from grader.report.change_text import render_change
    from grader.report.paint import paint_for

    if graded.before is None:
        sys.stdout.write(f"\n{render_text(graded.result, paint_for(sys.stdout))}")
    else:
        change = render_change(graded.changed, graded.before, graded.result, paint_for(sys.stdout))
        sys.stdout.write(f"\n{time.strftime('%H:%M:%S')}  {change}")
    sys.stdout.flush()


def _print_overtaken(event: "Overtaken") -> None:
    from grader.report.change_text import render_overtaken

    sys.stdout.write(f"\n{time.strftime('%H:%M:%S')}  {render_overtaken(event.changed)}")
    sys.stdout.flush()


def _tell(trouble: str) -> None:
    sys.stdout.write(f"\nWaiting: {one_line(trouble)}\n")
    sys.stdout.flush()


def _write(graded: "Graded", watcher: "Watcher", html: Path, progress: Progress) -> None:
    """The whole report, with the smallest failing cases: after the first words, since it takes longer."""
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
