"""The grader as a library: what ``grader`` itself offers, loaded when it is first used."""

import math
import os
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from grader.errors import CannotJudge as CannotJudge
from grader.errors import GraderError as GraderError
from grader.errors import UsageError as UsageError
from grader.exercise.model import Exercise as Exercise
from grader.exercise.model import builtin_exercise, read_exercise
from grader.exercise.starter import starter_files as starter_files
from grader.grading.options import Options
from grader.grading.session import Session
from grader.hand_ins.read_hand_in import read_hand_in
from grader.limits import DEFAULT_ISOLATION, QUESTION_MAX_SECONDS
from grader.preconditions import naming_the_way_out, require_docstrings
from grader.result.record import Result as Result
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
    from grader.injection.build import build
    from grader.injection.folder import check_target, write
    from grader.injection.recipe import DEFAULT_BUGS, Recipe, read_reference
    from grader.sandbox.client import Launcher

    require_docstrings()
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
        """What is ready, or is being made so: PyTorch is imported before anything waits for it."""
        if self._session is None:
            self._session = Session.start(self.exercise, self._isolation)
        return self._session

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


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
