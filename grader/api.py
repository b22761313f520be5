"""The grader as a library: what ``grader`` itself offers, loaded when it is first used."""

import math
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from grader.cohort.many import Came, Pools, grade_side_by_side, grade_side_by_side_async
from grader.cohort.pool import NotGraded, Task, cores, setup_of
from grader.errors import CannotJudge as CannotJudge
from grader.errors import GraderError as GraderError
from grader.errors import UsageError as UsageError
from grader.exercise.model import Exercise as Exercise
from grader.exercise.model import builtin_exercise, read_exercise
from grader.exercise.starter import starter_files as starter_files
from grader.grading.options import Options
from grader.grading.session import Session
from grader.hand_ins.read_hand_ins import read_hand_in
from grader.limits import DEFAULT_ISOLATION, JOB_MAX_NUMBER, QUESTION_MAX_SECONDS
from grader.preconditions import naming_the_way_out, require_docstrings
from grader.result.record import Result as Result
from grader.result.record import from_json
from grader.sandbox.errors import NotIsolated
from grader.seeds import check_seed, draw_seed
from grader.submission.read import Submission, read_files

Isolation = Literal["strict", "process"]
Difficulty = Literal["easy", "medium", "hard"]
Style = Literal["plain", "refactored"]
CLOSED: Final = "nothing could be judged: this Grader is closed"


def load_exercise(directory: str | PathLike[str] | None = None) -> Exercise:
    """The exercise in a directory, as ``grader inject`` makes it; the built-in one without a directory.

    Raises:
        UsageError: there is none, or something of it is missing or not as it should be.
    """
    return builtin_exercise() if directory is None else read_exercise(directory_given("directory", directory))


def grade(
    submission: str | PathLike[str] | Mapping[str, str | bytes],
    exercise: Exercise | None = None,
    *,
    only: Collection[str] = (),
    followups: bool = True,
    seed: int | None = None,
    thorough: bool = False,
    explain: bool = True,
    isolation: Isolation | None = None,
    timeout: float = 10.0,
) -> Result:
    """Grade one submission, as ``grader grade`` does. For many of them, a ``Grader`` imports PyTorch once.

    Args:
        submission: a directory that holds model.py and train.py, an archive of it, or their texts by file name, with
            those of any other ``.py`` files.
        exercise: the built-in one unless another is given.
        only: ids of items and follow-ups; empty for all.
        followups: whether to ask the follow-ups too, most of the work where they are built, where ``only`` names none.
        seed: repeats a grade of the same files; None draws one in secret, which is what counts.
        thorough: try eight times as many cases in each check, and larger ones.
        explain: whether to look for the smallest failing cases, and for evidence to show. It decides no point.
        isolation: "strict" locks the submission's process, or refuses to run it; "process" does not lock it. None is
            strict on Linux, and process elsewhere.
        timeout: seconds that the submission may take for one question, computing or asleep; those in which it waits
            for a busy machine do not count.

    Returns:
        The result. Look at ``result.judged``, or take ``result.reward``, which is None where there is no verdict.

    Raises:
        UsageError: no such directory, no model.py, one that cannot be read, no such item.
        CannotJudge: the machine or the grader failed. Says nothing of the submission.
    """
    with Grader(exercise, isolation=isolation) as grader:
        return grader.grade(
            submission,
            only=only,
            followups=followups,
            seed=seed,
            thorough=thorough,
            explain=explain,
            timeout=timeout,
        )


def inject(
    directory: str | PathLike[str] | None = None,
    *,
    seed: int,
    bugs: int | None = None,
    operators: Collection[str] = (),
    difficulty: Difficulty | None = None,
    source: str | PathLike[str] | None = None,
    keep_extensions: bool = False,
    style: Style = "plain",
    reword: bool = False,
    force: bool = False,
    isolation: Isolation | None = None,
) -> Exercise:
    """Build a new exercise and prove it sound, as ``grader inject`` does; a matter of ten seconds or more.

    Args:
        directory: where to write it, a new directory; None keeps it in memory.
        seed: which bugs, at which places: the same seed builds the same exercise.
        bugs: how many, 1 to 6; four unless ``operators`` say otherwise.
        operators: these bugs, by their ids in the catalogue.
        difficulty: of each bug; None for any.
        source: a directory with a correct GPT to plant them in: a model.py and train.py that keep the contract, or a
            model.py of any kind with an adapter.py; None for the built-in ones.
        keep_extensions: leave cache, classifier and heads built, and plant bugs in them too.
        style: ``"refactored"`` draws bugs that come with a refactoring of the lines around them.
        reword: put the GPT in other words first, proven to compute the same bits.
        force: replace an exercise that is in ``directory``.
        isolation: of the processes that run the code, as for ``grade``.

    Raises:
        UsageError: the recipe cannot be met, or ``directory`` is taken.
        CannotJudge: the machine failed, or cannot isolate.
    """
    require_docstrings()  # first: the stories of bugs are docstrings
    from grader.injection.build import build
    from grader.injection.folder import check_target, write
    from grader.injection.recipe import DEFAULT_BUGS, Recipe, read_reference
    from grader.sandbox.client import Launcher

    names = names_given("operators", operators)
    if bugs is not None and names:
        raise UsageError(f"bugs={bugs!r} with operators={names!r}; expected one of the two")
    recipe = Recipe(
        seed=seed,
        bugs=DEFAULT_BUGS if bugs is None else bugs,
        operators=names,
        difficulty=difficulty,
        keep_extensions=keep_extensions,
        style=style,
        reword=reword,
    )
    target = None if directory is None else directory_given("directory", directory)
    if target is not None:
        check_target(target, force=force)
    hidden, reference = read_reference(None if source is None else directory_given("source", source))
    chosen = isolation_given(isolation)
    with naming_the_way_out('isolation="process"'), Launcher(chosen, hidden=[hidden]) as launcher:
        built = build(recipe, reference, launcher, lambda _: None)
    if target is None:
        return built.exercise
    write(built, target)
    return read_exercise(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one of many submissions: a result, or why there is none.

    Attributes:
        number: how many were given before it.
        result: None where there is none.
        error: ``UsageError`` where nothing could be graded for what was handed in, ``CannotJudge`` where the machine or
            the grader failed, which says nothing of the submission; None where there is a result.
    """

    number: int
    result: Result | None = None
    error: GraderError | None = None

    @property
    def reward(self) -> float | None:
        """The result's reward; None where there is no verdict on all that was asked for: no verdict is no 0."""
        return self.result.reward if self.result is not None else None

    @classmethod
    def of(cls, number: int, came: Came) -> Self:
        """What a pool has answered."""
        if isinstance(came, UsageError):
            return cls(number=number, error=came)
        if isinstance(came, NotGraded):
            return cls(number=number, error=CannotJudge(came.reason))
        return cls(number=number, result=from_json(came.result))


class Grader:
    """Grades submissions of one exercise, one after another or side by side. Use as a context manager, or close it.

    Any thread may ask; what ``grade`` is asked for waits for its turn, and ``grade_many`` grades several at a time.
    All its processes belong to threads that it starts, and end when it is closed: a grade under way then raises
    ``CannotJudge``.

    Args:
        exercise: the built-in one unless another is given.
        isolation: "strict" locks the submission's process, or refuses to run it; "process" does not lock it. None is
            strict on Linux, and process elsewhere.
        shared: put the same questions to every submission, drawn in secret once, so that the reference answers each
            of them once. Faster; but a report on one submission reveals questions that the others get.
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
        self._pools = Pools(setup_of(self.exercise, Options(isolation=chosen), None))
        self._closed = False
        self._closing = threading.RLock()  # a second caller of close waits until it is closed
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
        options = self._options(
            only=only, followups=followups, seed=seed, thorough=thorough, explain=explain, timeout=timeout
        )
        given = submission_given(submission)
        try:
            asked = self._thread.submit(self._grade, given, options)
        except RuntimeError:
            raise CannotJudge(CLOSED) from None
        return asked.result()

    def grade_many(
        self,
        submissions: Iterable[str | PathLike[str] | Mapping[str, str | bytes]],
        *,
        jobs: int | None = None,
        only: Collection[str] = (),
        followups: bool = True,
        seed: int | None = None,
        thorough: bool = False,
        explain: bool = True,
        timeout: float = 10.0,
    ) -> Generator[Attempt, None, None]:
        """Grade submissions side by side: what came of each, in the order in which they are done.

        ``submissions`` may be endless: of what is taken from it, at most twice as many as there are jobs have not been
        handed on. A call that comes to its end leaves its processes for the next one, until the Grader is closed.
        Leave the iterator, or close it, and they end at once.

        Args:
            submissions: each as for ``grade``. One that cannot be read costs the others nothing.
            jobs: how many are graded at a time, each in processes of its own; None for one a core.
            only: of each, as for ``grade``, and so is all that follows.
            followups: of each.
            seed: of each.
            thorough: of each.
            explain: of each.
            timeout: of each.

        Raises:
            UsageError: an argument is out of range, or there is no such item; before anything is taken.
            CannotJudge: the machine can grade none of them, or this Grader was closed.
        """
        options = self._options(
            only=only, followups=followups, seed=seed, thorough=thorough, explain=explain, timeout=timeout
        )
        came = grade_side_by_side(self._pools, jobs_given(jobs), submissions, partial(_task, options))
        return _attempts(came)

    def grade_many_async(
        self,
        submissions: Iterable[str | PathLike[str] | Mapping[str, str | bytes]]
        | AsyncIterable[str | PathLike[str] | Mapping[str, str | bytes]],
        *,
        jobs: int | None = None,
        only: Collection[str] = (),
        followups: bool = True,
        seed: int | None = None,
        thorough: bool = False,
        explain: bool = True,
        timeout: float = 10.0,
    ) -> AsyncGenerator[Attempt, None]:
        """As ``grade_many``, for ``async for``; ``submissions`` may be asynchronous too.

        The loop is never kept waiting. Where the task is cancelled, the processes end with the iterator;
        ``contextlib.aclosing`` around it says when that is.
        """
        options = self._options(
            only=only, followups=followups, seed=seed, thorough=thorough, explain=explain, timeout=timeout
        )
        came = grade_side_by_side_async(self._pools, jobs_given(jobs), submissions, partial(_task, options))
        return _attempts_async(came)

    def _options(
        self,
        *,
        only: Collection[str],
        followups: bool,
        seed: int | None,
        thorough: bool,
        explain: bool,
        timeout: float,
    ) -> Options:
        """How to grade, once it is known that all of it can be asked for."""
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
        return options

    def close(self) -> None:
        """Give up what is under way, and end all processes."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            if (session := self._session) is not None:
                session.stop()
            self._thread.submit(self._end)
            self._pools.close()
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
        """What is ready, or is being made so: PyTorch is imported before anything waits for it."""
        if self._session is None:
            self._session = Session.start(self.exercise, self._isolation)
        return self._session

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def submission_given(value: object) -> Submission:
    """What was handed in, read. Raises ``UsageError`` where there is none."""
    if isinstance(value, Mapping):
        return read_files(files_given(value))
    return read_hand_in(directory_given("submission", value))


def _task(options: Options, given: object) -> Task | UsageError:
    """A submission of many, to be graded; or why there is none: the others are graded all the same."""
    try:
        return Task(submission=submission_given(given), options=options)
    except UsageError as error:
        return error


def _attempts(came: Generator[tuple[int, Came], None, None]) -> Generator[Attempt, None, None]:
    with closing(came):
        for number, each in came:
            yield Attempt.of(number, each)


async def _attempts_async(came: AsyncGenerator[tuple[int, Came], None]) -> AsyncGenerator[Attempt, None]:
    async with aclosing(came):
        async for number, each in came:
            yield Attempt.of(number, each)


def jobs_given(value: object) -> int:
    """How many to grade at a time. Raises ``UsageError`` for what is no such number."""
    if value is None:
        return cores()
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= JOB_MAX_NUMBER:
        raise UsageError(f"jobs={value!r}; expected a whole number from 1 to {JOB_MAX_NUMBER}, or None for one a core")
    return value


def directory_given(name: str, value: object) -> Path:
    """The path of the argument ``name``. Raises ``UsageError`` for what is none."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(path, str) or "\0" in path:
        raise UsageError(f"{name}={value!r}; expected a directory, as text or a path")
    return Path(path)


def isolation_given(value: object) -> Literal["strict", "process"]:
    """How to isolate; strict on Linux for None, and process elsewhere. Raises ``UsageError`` for what is neither."""
    match value:
        case None:
            return DEFAULT_ISOLATION
        case "strict" | "process":
            return value
        case _:
            raise UsageError(f"isolation={value!r}; expected 'strict', 'process' or None")


def names_given(name: str, value: object) -> tuple[str, ...]:
    """The names of the argument ``name``. Raises ``UsageError`` for text, which would be taken letter by letter."""
    if (
        isinstance(value, str | bytes)
        or not isinstance(value, Collection)
        or not all(isinstance(n, str) for n in value)
    ):
        wrapped = f", such as [{value!r}]" if isinstance(value, str) else ""
        raise UsageError(f"{name}={value!r}; expected a list of names{wrapped}")
    return tuple(value)


def files_given(value: Mapping[Any, Any]) -> dict[str, str | bytes]:
    """The submission that the texts of ``value`` make. Raises ``UsageError`` where one is no text."""
    files: dict[str, str | bytes] = {}
    for name, text in value.items():
        if not isinstance(name, str):
            raise UsageError(f"submission has a file {name!r}; expected names such as 'model.py'")
        if not isinstance(text, str | bytes):
            raise UsageError(f"submission[{name!r}]={text!r}; expected the file's content, as text or bytes")
        files[name] = text
    return files


def timeout_given(value: object) -> float:
    """Seconds for a question. Raises ``UsageError`` for what is none."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 < number <= QUESTION_MAX_SECONDS:  # not a number is neither
        raise UsageError(f"timeout={value!r}; expected a number of seconds above 0 and up to {QUESTION_MAX_SECONDS:g}")
    return float(number)
