"""Watch a directory: grade it again whenever its sources change, and give up a grade that they overtake."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

from grader.errors import CannotJudge, UsageError
from grader.grading.grade import FirstLook
from grader.grading.options import Options
from grader.grading.session import Cancel, Session
from grader.limits import WATCH_POLL_SECONDS, WATCH_UNREADABLE_POLLS
from grader.result.record import Result
from grader.seeds import draw_seed
from grader.submission.read import Submission, read_submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """One grade of a watched directory.

    Attributes:
        changed: the files that differ from those graded before; all of them the first time.
        before: the result of the grade before.
    """

    submission: Submission
    changed: tuple[str, ...]
    result: Result
    before: Result | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """A grade, or a report on one, that was given up because its sources were saved over meanwhile.

    Attributes:
        changed: the files that differ from those it was about.
    """

    changed: tuple[str, ...]


class Watcher:
    """Grades one directory again and again.

    The questions stay the same from grade to grade, so that the reference answers each of them once.
    Watching is practice; the grade that counts draws new questions, by ``grader grade``. A grade whose sources
    change is given up: its verdict would be about files that are gone.
    """

    def __init__(self, directory: Path, session: Session, options: Options) -> None:
        self._directory = directory
        self._session = session
        self._options = replace(options, shared=True, seed=draw_seed() if options.seed is None else options.seed)
        self._newer: Submission | None = None
        self._gives_first_looks = False

    def grades(
        self,
        progress: Callable[[str], None],
        tell: Callable[[str], None],
        first_look: Callable[[Submission, Result], None] | None = None,
    ) -> Iterator[Graded | Overtaken]:
        """A grade now, and another one whenever the sources have changed; without end.

        Args:
            tell: is given what keeps the sources from being read, once it has lasted a while.
            first_look: is given what the checks say of a submission, before it is known what whole runs say.
        """
        self._gives_first_looks = first_look is not None
        submission = read_submission(self._directory, whole=True)
        graded: Submission | None = None
        before: Result | None = None
        while True:
            look = None if first_look is None else partial(first_look, submission)
            result = self._grade(submission, progress, explain=False, first_look=look)
            if result is not None:
                changed = _differences(graded, submission)
                yield Graded(submission=submission, changed=changed, result=result, before=before)
                graded, before = submission, result
            # Newer files were found during this grade, or while the caller had it explained.
            newer = self._newer
            if newer is not None:
                yield Overtaken(changed=_differences(submission, newer))
            else:
                newer = wait_for_another(self._directory, submission, tell)
                assert newer is not None, "it waits without end"
            submission = newer

    def explain(self, submission: Submission, progress: Callable[[str], None]) -> Result | None:
        """The same grade with the smallest failing cases and the pictures, which take longer; None if overtaken."""
        # Whether there is a first look decides which pairs are asked: those of the grade before know the answers.
        return self._grade(submission, progress, explain=True, first_look=_ignore if self._gives_first_looks else None)

    def _grade(
        self,
        submission: Submission,
        progress: Callable[[str], None],
        *,
        explain: bool,
        first_look: FirstLook | None = None,
    ) -> Result | None:
        """The result, or None when the sources changed meanwhile: then ``self._newer`` has them as they are now."""
        options = replace(self._options, explain=explain)
        result = None
        cancel = Cancel()
        with looking_out(self._directory, submission, cancel) as lookout:

            def look(result: Result) -> None:
                if first_look is not None and lookout.found is None:
                    first_look(result)

            given = None if first_look is None else look
            try:
                result = self._session.grade(submission, options, progress=progress, cancel=cancel, first_look=given)
            except CannotJudge:
                if lookout.found is None:
                    raise
        self._newer = lookout.found
        # With its workers killed under it, what a grade says is not worth having.
        return result if self._newer is None else None


def _ignore(_: Result) -> None:
    """A look at nothing."""


def wait_for_another(
    directory: Path, known: Submission, tell: Callable[[str], None], enough: Event | None = None
) -> Submission | None:
    """The submission once it differs from ``known`` and is the same at two looks: an editor may be halfway through
    saving.

    Args:
        tell: is given what keeps the sources from being read, once it has lasted a while.
        enough: ends the wait when it is set; then there is None.
    """
    enough = enough or Event()
    last = known
    unread = 0
    while not enough.wait(WATCH_POLL_SECONDS):
        try:
            submission = read_submission(directory, whole=True)
        except UsageError as error:
            unread += 1  # gone for the moment that saving takes, or for good
            if unread == WATCH_UNREADABLE_POLLS:
                tell(str(error))
            continue
        unread = 0
        if submission.sha256 == last.sha256 and submission.sha256 != known.sha256:
            return submission
        last = submission
    return None


@dataclass(slots=True)
class Lookout:
    """What a look-out has seen: the sources as they are now, or None while they are what they were."""

    found: Submission | None = None


@contextmanager
def looking_out(directory: Path, known: Submission, act: Callable[[], None]) -> Iterator[Lookout]:
    """Look out while the body runs, in a thread that ends with it; ``act`` is called there when something was found."""
    seen, enough = Lookout(), Event()

    def look() -> None:
        # Read errors are ignored here; the next `wait_for_another` reports them.
        seen.found = wait_for_another(directory, known, lambda _: None, enough)
        if seen.found is not None:
            act()

    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            looking = pool.submit(look)
            yield seen
        finally:
            enough.set()
        looking.result()  # it may have failed


def _differences(before: Submission | None, after: Submission) -> tuple[str, ...]:
    """The files that are not the same in both; all of them if there is nothing before."""
    earlier = before.files if before is not None else {}
    names = earlier.keys() | after.files.keys()
    return tuple(sorted(name for name in names if earlier.get(name) != after.files.get(name)))
