"""``grader cohort``: grade many submissions alike, several at a time, and show them together."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli.exercises import chosen_exercise
from grader.cli.grade import TIMEOUT
from grader.cli.progress import Progress
from grader.distribution import install
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line
from grader.sandbox.control import Mode

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from grader.cohort.entries import Entries
    from grader.cohort.messages import Setup
    from grader.cohort.run import Backend, Done
    from grader.cohort.summary import Row, Summary

INTERRUPTED: Final = 130


def run(
    submissions: Path,
    output: Path,
    *,
    jobs: int | None,
    scheduler: str | None,
    resume: bool,
    exercise: Path | None,
    audience: str,
    only: tuple[str, ...],
    seed: int | None,
    thorough: bool,
    isolation: Mode,
    timeout: float | None,
) -> int:
    """Grade all that is not graded yet; 0, 1 when a hand-in could not be graded, or 3 when one could not be judged."""
    from grader.cohort.entries import read_entries
    from grader.cohort.run import Cohort
    from grader.cohort.store import Store
    from grader.grading.options import Options, asked_for
    from grader.result.record import Audience

    _check_apart(submissions, output)
    chosen = chosen_exercise(exercise)
    options = Options(only=only, thorough=thorough, isolation=isolation, timeout=timeout or TIMEOUT)
    asked_for(chosen, options)
    entries = read_entries(submissions)
    _note_ignored(entries)
    told: _Told | None = None
    try:
        backend = _markers_of(jobs, scheduler)
        with (
            Progress() as progress,
            Store(output, resume=resume, seed=seed, audience=Audience(audience)) as store,
        ):
            told = _Told(progress)
            cohort = Cohort(entries.found, chosen, options, Audience(audience), store)
            summary = cohort.run(lambda setup: backend(setup, progress), told.begin, told.tell)
    except KeyboardInterrupt:
        if told is None:
            raise
        sys.stderr.write(f"\ngrader: interrupted; {told.so_far}; go on with --resume\n")
        return INTERRUPTED
    _print(summary, output)
    if summary.unjudged:
        return CannotJudge.exit_code
    return 1 if summary.unread else 0


class _Told:
    """How far a cohort has come, on stderr."""

    def __init__(self, progress: Progress) -> None:
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


def _markers_of(
    jobs: int | None, scheduler: str | None
) -> "Callable[[Setup, Progress], AbstractContextManager[Backend]]":
    """What makes those who grade: processes of this machine, or a cluster's, which is reached no sooner than then."""
    if scheduler is None:
        from grader.cohort.pool import Pool

        return lambda setup, _: Pool(setup, jobs or _cores())
    try:
        from grader.cohort.cluster import Cluster
        from grader.cohort.cluster_backend import ClusterBackend
    except ModuleNotFoundError as error:
        raise UsageError(f"--scheduler needs Dask ({error}); {install('cluster')}") from None

    @contextmanager
    def on_a_cluster(setup: "Setup", progress: Progress) -> "Iterator[Backend]":
        with Cluster(scheduler, progress.note) as cluster, ClusterBackend(cluster, setup) as backend:
            yield backend

    return on_a_cluster


def _check_apart(submissions: Path, output: Path) -> None:
    """The results must not be taken for a submission the next time."""
    if submissions.resolve() in (output.resolve(), *output.resolve().parents):
        raise UsageError(f"{str(output)!r} lies in {str(submissions)!r}; put the results somewhere else")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        sys.stdout.write(f"  {title:{width}}  right in {summary.right(id)} of {summary.told(id)}\n")
    _print_reasons("not graded, for what was handed in", summary.unread, summary)
    _print_reasons("not judged, or not on every item, for reasons of this machine", summary.unjudged, summary)
    if summary.pairs:
        count = len(summary.pairs)
        sys.stdout.write(f"{count} pair{'s' if count != 1 else ''} of nearly the same text; the index says which\n")
    sys.stdout.write(f"Written: {one_line(str(output / 'index.html'))}\n")


def _print_reasons(what: str, rows: "tuple[Row, ...]", summary: "Summary") -> None:
    if rows:
        sys.stdout.write(f"{len(rows)} {what}:\n")
    for row in rows:
        sys.stdout.write(f"  {summary.names[row.folder][:100]}: {one_line(row.reason)[:300]}\n")
