"""Grade a directory again whenever its sources change, with everything that does not change kept ready."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from grader.errors import UsageError
from grader.exercise import Exercise
from grader.grade import Options, grade
from grader.library import Library
from grader.record import Result
from grader.sandbox.client import Launcher
from grader.seeds import draw_seed
from grader.submission import Submission, read_submission

PAUSE: Final = 0.1  # seconds between two looks at the directory
PATIENCE: Final = 10  # looks at sources that cannot be read
SHARED: Final = "watch"  # in place of a submission's hash: all of them are asked the same questions


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


class Watcher(AbstractContextManager["Watcher"]):
    """Grades one directory again and again. Use as a context manager.

    The questions stay the same from grade to grade, so that the reference answers each of them once: whoever
    watches works for themselves, and the verdict that counts is drawn anew by ``grader grade``.
    """

    def __init__(self, directory: Path, exercise: Exercise, launcher: Launcher, options: Options) -> None:
        self._directory = directory
        self._exercise = exercise
        self._launcher = launcher
        self._options = replace(options, seed=draw_seed() if options.seed is None else options.seed)
        self._library = Library(launcher)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.close()

    def grades(self, progress: Callable[[str], None], tell: Callable[[str], None]) -> Iterator[Graded]:
        """A grade now, and another one whenever the sources have changed; without end.

        Args:
            tell: is given what keeps the sources from being read, once it has lasted a while.
        """
        submission = read_submission(self._directory)
        changed = tuple(sorted(submission.files))
        before: Result | None = None
        while True:
            result = self._grade(submission, progress, explain=False)
            yield Graded(submission=submission, changed=changed, result=result, before=before)
            graded, before = submission, result
            submission = self._wait_for_another(graded, tell)
            changed = _differences(graded, submission)

    def explain(self, submission: Submission, progress: Callable[[str], None]) -> Result:
        """The same grade with the smallest failing cases and the pictures, which take longer."""
        return self._grade(submission, progress, explain=True)

    def _grade(self, submission: Submission, progress: Callable[[str], None], *, explain: bool) -> Result:
        shared = replace(submission, sha256=SHARED)
        options = replace(self._options, explain=explain)
        return grade(shared, self._exercise, options, self._launcher, progress, self._library)

    def _wait_for_another(self, graded: Submission, tell: Callable[[str], None]) -> Submission:
        """The submission once it differs, and is the same at two looks: an editor may be halfway through saving."""
        last = graded
        unread = 0
        while True:
            time.sleep(PAUSE)
            try:
                submission = read_submission(self._directory)
            except UsageError as error:
                unread += 1  # gone for the moment that saving takes, or for good
                if unread == PATIENCE:
                    tell(str(error))
                continue
            unread = 0
            if submission.sha256 == last.sha256 and submission.sha256 != graded.sha256:
                return submission
            last = submission


def _differences(before: Submission, after: Submission) -> tuple[str, ...]:
    names = before.files.keys() | after.files.keys()
    return tuple(sorted(name for name in names if before.files.get(name) != after.files.get(name)))
