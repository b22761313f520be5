"""``grader watch``: grade again whenever a file is saved, and say what has changed."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command, add_exercise, add_feedback, add_running, options_of
from grader.files.printable import one_line

if TYPE_CHECKING:
    from contextlib import ExitStack

    from grader.cli.options import Commands
    from grader.learner.watch import Graded, Overtaken, Watcher
    from grader.live.live_page import LivePage
    from grader.report.terminal import Progress
    from grader.report.text import Command
    from grader.result.record import Feedback, Result


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "watch", "grade again whenever a file is saved, and say what changed")
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    add_exercise(command, "the one that the workspace was started from")
    command.add_argument("--html", metavar="FILE", type=Path, help="write the learner's report here each time")
    command.add_argument(
        "--open",
        dest="live",
        action="store_true",
        help="serve a page here that keeps up with every save, and open a browser on it (needs the extra live)",
    )
    add_feedback(command, "what the workspace was started with, else what exercise.toml says")
    add_running(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Grade until Ctrl-C, which is its orderly end: always 0."""
    from contextlib import ExitStack
    from dataclasses import replace

    from grader.cli.exercises import exercise_of, reference_directory, session_on
    from grader.cli.history import record
    from grader.files.write import check_writable
    from grader.report.terminal import Progress
    from grader.submission.read import read_submission

    directory: Path = arguments.directory
    html: Path | None = arguments.html
    exercise = exercise_of(directory, arguments.exercise)
    reference_directory(exercise)
    if arguments.live:
        _check_installed()
    read_submission(directory, whole=True)  # what is missing is said at once, without waiting for torch
    if html is not None:
        check_writable(html)
    options = replace(options_of(arguments), followups=False)
    try:
        with session_on(exercise, options.isolation) as session, Progress() as progress, ExitStack() as stack:
            from grader.cli.hint import hint_command
            from grader.learner.watch import Graded, Watcher
            from grader.learner.workspace import feedback_in, is_workspace
            from grader.result.record import Feedback

            shown = Feedback(arguments.feedback or feedback_in(directory, session.exercise))
            hint = hint_command(directory, arguments.exercise) if shown is Feedback.HINTS else None
            page = _page(directory, hint, shown, stack) if arguments.live else None
            steps = _Steps(progress, page)
            watcher = Watcher(directory, session, options)
            where = one_line(str(directory))
            sys.stdout.write(f"Watching {where}: save a file and it is graded again. Ctrl-C ends.\n{_clock(directory)}")
            sys.stdout.flush()
            first_look = page.first_look if page is not None else None
            for event in watcher.grades(steps, steps.wait, first_look):
                progress.clear()
                if not isinstance(event, Graded):
                    _print_overtaken(event)
                    continue
                event = _learners(event, shown)
                if page is not None:
                    page.graded(event.submission, event.result)
                _print(event, hint)
                if is_workspace(directory):
                    starter = session.exercise.starter()
                    for note in record(directory, event.submission, event.result, starter, "watch"):
                        progress.note(note)
                if html is not None or page is not None:
                    _explain(event, watcher, html, page, progress, shown)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
    return 0


def _learners(graded: "Graded", shown: "Feedback") -> "Graded":
    """The grade, and the one before it, as a learner may see them."""
    from dataclasses import replace

    from grader.result.audience import for_audience
    from grader.result.record import Audience

    before = for_audience(graded.before, Audience.LEARNER, shown) if graded.before is not None else None
    return replace(graded, result=for_audience(graded.result, Audience.LEARNER, shown), before=before)


def _check_installed() -> None:
    """Complain of what the live page needs and is not there, before anything is started. Raises ``UsageError``."""
    from importlib.util import find_spec

    from grader.errors import UsageError
    from grader.preconditions import install

    for name in ("starlette", "uvicorn"):
        if find_spec(name) is None:
            raise UsageError(f"--open needs {name}, which is not installed; {install('live')}")


class _Steps:
    """Tells the terminal, and the live page if there is one, what is being done."""

    def __init__(self, progress: "Progress", page: "LivePage | None") -> None:
        self._progress = progress
        self._page = page

    def __call__(self, text: str) -> None:
        self._progress(text)
        if self._page is not None:
            self._page.grading()

    def wait(self, trouble: str) -> None:
        """What keeps the sources from being read."""
        sys.stdout.write(f"\nWaiting: {one_line(trouble)}\n")
        sys.stdout.flush()
        if self._page is not None:
            self._page.waiting(trouble)


def _page(directory: Path, hint: "Command | None", shown: "Feedback", stack: "ExitStack") -> "LivePage":
    """The live page, served until ``stack`` is left, with a browser opened on it where there is one."""
    from grader.errors import UsageError
    from grader.learner.hints import WHEN_STOPPED
    from grader.learner.workspace import earlier_scores, read_workspace, time_limit
    from grader.live.live_page import Board, LivePage
    from grader.live.server import Server

    def hints() -> dict[str, int]:
        try:
            return read_workspace(directory).hints
        except UsageError:
            return {}  # it may just be written; asking for a hint reports a damaged one

    limit = time_limit(directory)
    page = LivePage(
        board=Board(),
        command=hint,
        when_stopped=WHEN_STOPPED if hint is not None else (),
        feedback=shown,
        hints=hints,
        scores=earlier_scores(directory),
        end=limit.end if limit is not None else None,
        minutes=limit.minutes if limit is not None else None,
    )
    server = stack.enter_context(Server(page.board, page.look))
    sys.stdout.write(f"The page: {server.address}\n")
    if not _open_browser(server.address):
        sys.stdout.write("No browser could be opened here: open that address yourself. It is for this machine alone.\n")
    sys.stdout.flush()
    return page


def _open_browser(address: str) -> bool:
    """Open it in this machine's browser, or say that there is none with a window of its own."""
    import contextlib
    import os
    import webbrowser

    with contextlib.suppress(webbrowser.Error, OSError):
        browser = webbrowser.get()
        # One that runs in this terminal would take it away from what is watched here.
        in_this_terminal = type(browser) is webbrowser.GenericBrowser
        if not in_this_terminal or "BROWSER" in os.environ:
            return browser.open(address)
    return False


def _clock(directory: Path) -> str:
    """How much of the time is left, on a line of its own; nothing where no clock was set."""
    from grader.learner.workspace import time_limit

    limit = time_limit(directory)
    if limit is None:
        return ""
    left = round((limit.end - time.time()) / 60)
    return f"The clock: {left} min left.\n" if left > 0 else f"The clock: the time was up {-left} min ago.\n"


def _print(graded: "Graded", hint: "Command | None") -> None:
    from grader.report import render_text
    from grader.report.side_by_side import render_change
    from grader.report.terminal import paint_for
    from grader.report.text import next_step

    if graded.before is None:
        sys.stdout.write(f"\n{render_text(graded.result, paint_for(sys.stdout), hint=hint)}")
    else:
        change = render_change(graded.changed, graded.before, graded.result, paint_for(sys.stdout))
        sys.stdout.write(f"\n{time.strftime('%H:%M:%S')}  {change}  {next_step(graded.result, hint)}\n")
    sys.stdout.flush()


def _print_overtaken(event: "Overtaken") -> None:
    from grader.report.side_by_side import render_overtaken

    sys.stdout.write(f"\n{time.strftime('%H:%M:%S')}  {render_overtaken(event.changed)}")
    sys.stdout.flush()


def _explain(
    graded: "Graded", watcher: "Watcher", html: Path | None, page: "LivePage | None", progress: "Progress",
    shown: "Feedback",
) -> None:  # fmt: skip
    """The whole report, with the smallest failing cases: after the first words, since it takes longer."""
    explained = watcher.explain(graded.submission, lambda _: progress("writing the report"))
    if page is not None:
        page.explained(explained)
    if explained is not None and html is not None:
        _write(explained, html, progress, shown)


def _write(explained: "Result", html: Path, progress: "Progress", shown: "Feedback") -> None:
    from grader.files.write import write_atomically
    from grader.report import render_html
    from grader.result.audience import for_audience
    from grader.result.record import Audience

    write_atomically(html, render_html(for_audience(explained, Audience.LEARNER, shown)).encode())
    progress.clear()
    sys.stdout.write(f"Written: {one_line(str(html))}\n")
    sys.stdout.flush()
