"""A grader that stays ready: PyTorch is imported once for many grades, from whichever thread they are asked for."""

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from types import TracebackType
from typing import Final, Literal, Self

from grader.errors import CannotJudge, UsageError
from grader.exercise.model import Exercise, builtin_exercise
from grader.grading.options import Options
from grader.grading.session import Session
from grader.hand_ins.read_hand_in import read_hand_in
from grader.library_arguments import directory_given, files_given, isolation_given, names_given, timeout_given
from grader.preconditions import require_docstrings
from grader.result.record import Result
from grader.sandbox.errors import NotIsolated
from grader.seeds import check_seed, draw_seed
from grader.submission.read import Submission, read_files

CLOSED: Final = "nothing could be judged: this Grader is closed"


class Grader:
    """Grades submissions of one exercise one after another. Use as a context manager, or close it.

    Any thread may ask; grades of one ``Grader`` wait for each other. For several at a time make several, each with
    PyTorch in a process of its own. All its processes belong to a thread that it starts, and end when it is closed: a
    grade under way then raises ``CannotJudge``.

    Args:
        exercise: the built-in one unless another is given.
        isolation: "strict" locks the submission's process, or refuses to run it; "process" does not lock it. None is
            strict on Linux, and process elsewhere.
        shared: put the same questions to every submission, drawn in secret once, so that the reference answers each
            of them once. Faster; but whoever sees why one submission failed has seen questions that others get.
    """

    def __init__(
        self,
        exercise: Exercise | None = None,
        *,
        isolation: Literal["strict", "process"] | None = None,
        shared: bool = False,
    ) -> None:
        require_docstrings()
        chosen = isolation_given(isolation)
        if exercise is not None and not isinstance(exercise, Exercise):
            raise UsageError(f"exercise={exercise!r}; expected an Exercise, as load_exercise(directory) gives, or None")
        self.exercise: Final = exercise or builtin_exercise()
        self._isolation = chosen
        self._shared = draw_seed() if shared else None
        self._session: Session | None = None
        self._closed = False
        self._closing = threading.RLock()  # whoever closes it too waits until it is
        # The kernel ends a launcher with the thread that started it: let that be one that lasts.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="grader")
        self._thread.submit(self._ready)

    def grade(
        self,
        submission: str | PathLike[str] | Mapping[str, str | bytes],
        *,
        only: Collection[str] = (),
        followups: bool = True,
        seed: int | None = None,
        thorough: bool = False,
        explain: bool = True,
        timeout: float = 10.0,
    ) -> Result:
        """The result of grading one submission; as ``grader.grade``, which says what can be asked for."""
        if seed is not None:
            check_seed(seed)
        options = Options(
            only=names_given("only", only),
            followups=followups,
            seed=self._shared if seed is None else seed,
            shared=self._shared is not None,
            thorough=thorough,
            isolation=self._isolation,
            timeout=timeout_given(timeout),
            explain=explain,
        )
        self.exercise.asked(options.only, followups=options.followups)
        if isinstance(submission, Mapping):
            given = read_files(files_given(submission))
        else:
            given = read_hand_in(directory_given("submission", submission))
        try:
            asked = self._thread.submit(self._grade, given, options)
        except RuntimeError:
            raise CannotJudge(CLOSED) from None
        return asked.result()

    def close(self) -> None:
        """Give up what is under way, and end all processes."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            if (session := self._session) is not None:
                session.stop()
            self._thread.submit(self._end)
            self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What follows runs in the thread of its own.

    def _grade(self, submission: Submission, options: Options) -> Result:
        try:
            session = self._ready()
            if self._closed:  # too late for close to see the session
                raise CannotJudge(CLOSED)
            return session.grade(submission, options)
        except CannotJudge as error:
            self._end()  # the next grade gets a launcher that nothing has happened to
            if isinstance(error.__cause__, NotIsolated):
                raise CannotJudge(f'{error}. To grade code that you trust: isolation="process"') from error
            raise
        except OSError as error:
            self._end()
            raise CannotJudge(f"nothing could be judged: {error}") from error

    def _ready(self) -> Session:
        """What is ready, or is being made so: PyTorch is imported while nobody waits for it yet."""
        if self._session is None:
            self._session = Session.start(self.exercise, self._isolation)
        return self._session

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
