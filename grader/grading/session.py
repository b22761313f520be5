"""Grades of one exercise, one after another: what stays ready between them, and where a grade starts."""

import dataclasses
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec.structs import replace

from grader.errors import CannotJudge
from grader.exercise.model import Exercise, StoredExercise, builtin_reference
from grader.grading.answer_cache import AnswerCache, Keep, Kept
from grader.grading.grade import FirstLook, Grade
from grader.grading.options import Options
from grader.limits import KEPT_ANSWERS_MAX_BYTES
from grader.packages.trouble import Trouble, without_a_verdict
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Result, harmless
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode
from grader.sandbox.questions import ADAPTER
from grader.seeds import SHARED, Seeds, draw_seed
from grader.submission.history import now, text_of, timeline_of
from grader.submission.read import Submission, is_made_up

TRAIN: Final = "train.py"
NO_TRAIN: Final = "there is no train.py"


class Cancel:
    """Gives up one grade when it is called, from any thread, even before the grade has started."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._given = False
        self._stop: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Kill the grade's workers: ``Session.grade`` raises ``CannotJudge``."""
        with self._changing:
            self._given = True
            stop = self._stop
        if stop is not None:
            stop()

    def stops(self, worker_pool: WorkerPool) -> None:
        """Stop this pool when it is given up, or now if it was already."""
        with self._changing:
            self._stop = worker_pool.stop
            given = self._given
        if given:
            worker_pool.stop()


class Session(AbstractContextManager["Session"]):
    """Owns what grades of an exercise share: the launcher, the kept answers and drawn cases, and the worker pools.

    Grades are made one at a time; ``stop`` may be called from any thread. Use as a context manager, or close it.

    Args:
        launcher: stays its caller's, who closes it after the session; ``Session.start`` makes one of its own.
        keep: which answers are kept from grade to grade.
        kept: what other sessions that keep everything have kept, with which this one shares it.
    """

    def __init__(
        self, exercise: Exercise, launcher: Launcher, keep: Keep = Keep.REFERENCE, kept: Kept | None = None
    ) -> None:
        self.exercise: Final = exercise
        self._launcher = launcher
        self._owns_launcher = False
        self._answer_cache = AnswerCache(launcher, keep, exercise.adapter, kept)
        self._cancel = Cancel()
        self._stopped = False

    @classmethod
    def start(cls, exercise: Exercise, isolation: Mode) -> Self:
        """A session with a launcher of its own, which ends with the thread that calls this.

        Its workers can read neither the exercise's reference nor the built-in one.
        """
        session = cls(exercise, Launcher(isolation, _hidden(exercise)))
        session._owns_launcher = True
        return session

    def grade(
        self,
        submission: Submission,
        options: Options,
        *,
        progress: Callable[[str], None] | None = None,
        cancel: Cancel | None = None,
        first_look: FirstLook | None = None,
    ) -> Result:
        """The result of grading ``submission``.

        Args:
            progress: is called with what is being done.
            cancel: gives up this grade, and leaves the session as it is.
            first_look: is called with what all checks have found while the submission's own models and runs are still
                being compared with the solution's, if they are.

        Raises:
            UsageError: ``options.only`` names an item that the exercise does not have.
            CannotJudge: the launcher or the reference failed, or the grade was given up.
        """
        started = time.perf_counter()
        self.exercise.asked(options.only, followups=options.followups)  # before anything is started
        seeds = Seeds(
            draw_seed() if options.seed is None else options.seed, SHARED if options.shared else submission.sha256
        )
        submission = fitted(submission, self.exercise)

        def finished(result: Result) -> Result:
            return harmless(
                replace(
                    result,
                    seconds=round(time.perf_counter() - started, 3),
                    graded_at=text_of(now()),
                    timeline=timeline_of(submission.history),
                )
            )

        worker_pool = WorkerPool(
            self._launcher, options.budget, self.exercise.left_to_build, adapter=self.exercise.adapter
        )
        self._cancel = cancel or Cancel()
        self._cancel.stops(worker_pool)
        if self._stopped:
            worker_pool.stop()
        try:
            with without_a_verdict(), self._answer_cache.lent(worker_pool, shared=options.shared) as packages:
                say = progress or _say_nothing
                look = None if first_look is None else lambda result: first_look(finished(result))
                result = Grade(submission, self.exercise, options, seeds, packages, say, look).run()
        except Trouble as trouble:
            raise CannotJudge(f"nothing could be judged: the reference gave no answer: {trouble}") from trouble
        finally:
            worker_pool.close()
        self._answer_cache.forget_beyond(KEPT_ANSWERS_MAX_BYTES)
        return finished(result)

    def stop(self) -> None:
        """Give up the grade under way and every later one, from any thread; afterwards only ``close`` is of use."""
        self._stopped = True
        self._cancel()
        self._answer_cache.stop()

    def close(self) -> None:
        """End all processes."""
        self._answer_cache.close()
        if self._owns_launcher:
            self._launcher.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fitted(submission: Submission, exercise: Exercise) -> Submission:
    """The submission with the exercise's adapter.py in place of its own, and without a train.py if the exercise has
    none; as it is where the exercise keeps the contract."""
    if exercise.adapter is None:
        return submission
    files, notes = dict(submission.files), list(submission.notes)
    if files.get(ADAPTER, exercise.adapter) != exercise.adapter:
        notes.append(f"{ADAPTER} was not read: the exercise has its own, which says how a model is called")
    files[ADAPTER] = exercise.adapter
    if TRAIN not in exercise.reference and TRAIN in files:
        if not is_made_up(files.pop(TRAIN), NO_TRAIN):
            notes.append(f"{TRAIN} was not read: this exercise has none")
        notes = [note for note in notes if not note.startswith(NO_TRAIN)]
    return dataclasses.replace(submission, files=files, notes=tuple(notes))


def _say_nothing(_: str) -> None:
    pass


def _hidden(exercise: Exercise) -> list[Path]:
    """The directories that workers must not see. The exercise's path may be of another machine, or unreadable here
    (then ``Path.is_dir`` raises); the built-in reference is on every machine."""
    directories = {builtin_reference()}
    if isinstance(exercise, StoredExercise):
        directories.add(exercise.reference_directory)
    return sorted(Path(os.path.realpath(directory)) for directory in directories if os.path.isdir(directory))
