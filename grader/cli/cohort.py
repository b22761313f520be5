"""``grader cohort``: grade many submissions alike, several at a time, and show them together."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli import INTERRUPTED
from grader.cli.options import (
    add_audience,
    add_command,
    add_exercise,
    add_feedback,
    add_jobs,
    add_questions,
    add_running,
    backend_of,
    options_of,
)
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.cohort.entries import Entries
    from grader.cohort.row import Row
    from grader.cohort.run import Done
    from grader.cohort.summary import Summary
    from grader.report.terminal import Progress


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
    add_jobs(command)
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on in DIR: what was graded is kept, unless it has changed since",
    )
    command.add_argument(
        "--before",
        metavar="DIR",
        type=Path,
        help="show an earlier round, the DIR that a cohort on the same exercise was written to, beside this one",
    )
    add_exercise(command, "the built-in one")
    add_audience(command)
    add_feedback(command)
    add_questions(
        command,
        seed="ask what an earlier cohort was asked; without it the seed is drawn in secret, once for all submissions",
        thorough="try eight times as many cases in each check, and larger ones",
    )
    add_running(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Grade all that is not graded yet; 0, 1 when a hand-in could not be graded, or 3 when one could not be judged."""
    from grader.cli.exercises import chosen_exercise
    from grader.cohort.entries import read_entries
    from grader.cohort.row import read_round
    from grader.cohort.run import Cohort
    from grader.cohort.store import Store
    from grader.report.terminal import Progress
    from grader.result.record import Audience, Feedback

    output: Path = arguments.output
    _check_apart(arguments.submissions, output)
    exercise = chosen_exercise(arguments.exercise)
    options = options_of(arguments)
    exercise.asked(options.only, followups=options.followups)
    before = read_round(arguments.before, exercise.rubric.id) if arguments.before is not None else None
    entries = read_entries(arguments.submissions)
    _note_ignored(entries)
    audience = Audience(arguments.audience)
    feedback = Feedback(arguments.feedback or exercise.rubric.feedback or Feedback.HINTS)
    reporter: _Reporter | None = None
    try:
        backend = backend_of(arguments)
        with (
            Progress() as progress,
            Store(output, resume=arguments.resume, seed=options.seed, audience=audience, feedback=feedback) as store,
        ):
            reporter = _Reporter(progress)
            cohort = Cohort(entries.found, exercise, options, audience, store, before, feedback)
            summary = cohort.run(lambda setup: backend(setup, progress), reporter.begin, reporter.tell)
    except KeyboardInterrupt:
        if reporter is None:
            raise
        sys.stderr.write(f"\ngrader: interrupted; {reporter.so_far}; go on with --resume\n")
        return INTERRUPTED
    _print(summary, output)
    if summary.unjudged:
        return CannotJudge.exit_code
    return 1 if summary.unread else 0


class _Reporter:
    """How far a cohort has come, on stderr."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._kept = self._new = self._left = 0
        self._started = time.monotonic()

    @property
    def so_far(self) -> str:
        """What is there whatever happens now."""
        return f"{self._kept + self._new} graded and kept, {self._left - self._new} left"

    def begin(self, kept: int, left: int) -> None:
        """So many were graded by an earlier run, so many are to be graded."""
        self._kept, self._left = kept, left
        again = f", {kept} graded before" if kept else ""
        self._progress(f"{left} submission{'s' if left != 1 else ''} to grade{again}")

    def tell(self, done: "Done") -> None:
        """One more is done."""
        self._new = done.number
        row = done.row
        # The verdict first: a folder may be called "100 of 100".
        verdict = f"{row.score:g} of {row.max_score:g}" if row.graded else "not graded"
        why = "" if row.graded else f": {row.reason[:200]}"
        self._progress.counted(done.number, done.of, f"{verdict}, {row.title[:80]}{why}", self._estimate(done))

    def _estimate(self, done: "Done") -> str:
        left = done.of - done.number
        if not left:
            return ""
        seconds = (time.monotonic() - self._started) / done.number * left
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def _check_apart(submissions: Path, output: Path) -> None:
    """The results must not be taken for a submission the next time."""
    if submissions.resolve() in (output.resolve(), *output.resolve().parents):
        raise UsageError(f"{str(output)!r} lies in {str(submissions)!r}; put the results somewhere else")


def _note_ignored(entries: "Entries") -> None:
    if entries.ignored:
        shown = ", ".join(map(repr, entries.ignored[:5])) + (", …" if len(entries.ignored) > 5 else "")
        sys.stderr.write(f"grader: not a hand-in, and not graded: {one_line(shown)}\n")


def _print(summary: "Summary", output: Path) -> None:
    """The table of items, and where all the rest is."""
    graded = len(summary.graded)
    sys.stdout.write(f"{graded} of {len(summary.rows)} submissions graded\n")
    width = max((len(title) for _, title in summary.items), default=0)
    for id, title in summary.items:
        sys.stdout.write(f"  {title:{width}}  right in {summary.right(id)} of {summary.judged(id)}\n")
    _print_reasons("not graded, for what was handed in", summary.unread, summary)
    _print_reasons("not judged, or not on every item, for reasons of this machine", summary.unjudged, summary)
    if summary.groups:
        count = len(summary.groups)
        sys.stdout.write(f"{count} group{'s' if count != 1 else ''} of near copies; the page has them side by side\n")
    if (before := summary.before) is not None:
        unclear = f" ({len(before.unclear)} of them since several have that name)" if before.unclear else ""
        counted = f"{len(before.was)} matched, {len(before.new)} new{unclear}, {len(before.gone)} gone"
        sys.stdout.write(f"The round before: {counted}\n")
    sys.stdout.write(f"Written: {one_line(str(output / 'index.html'))}\n")


def _print_reasons(what: str, rows: "tuple[Row, ...]", summary: "Summary") -> None:
    if rows:
        sys.stdout.write(f"{len(rows)} {what}:\n")
    for row in rows:
        sys.stdout.write(f"  {summary.names[row.folder][:100]}: {one_line(row.reason)[:300]}\n")
