"""Prove an exercise: every subset of its bugs is graded, and each bug gets the status it should."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import combinations
from queue import SimpleQueue
from typing import Final

from grader.exercise.key import Row
from grader.exercise.model import Exercise
from grader.grading.answer_cache import Keep, Kept
from grader.grading.options import Options
from grader.grading.session import Session
from grader.injection.observe import SUBMISSION
from grader.limits import MEASURING_QUESTION_SECONDS
from grader.result.record import Status
from grader.sandbox.client import Launcher
from grader.submission.read import Submission

AT_ONCE: Final = 2  # subsets that are graded at a time


def complaints(row: Row, full_marks: dict[str, float]) -> dict[str, str]:
    """By item, what a graded variant is not as it should be."""
    found = {}
    for item, status in row.statuses.items():
        expected = Status.NOT_FIXED if item in row.left else Status.FIXED
        points = 0 if item in row.left else full_marks[item]
        if status != expected:
            found[item] = f"{status} instead of {expected}"
        elif row.scores[item] != points:
            found[item] = f"{row.scores[item]:g} points instead of {points:g}"
        elif row.remaining is not None and (item in row.remaining) != (item in row.left):
            found[item] = "named as left in" if item in row.remaining else "not named as left in"
    return found


def prove(
    exercise: Exercise, launcher: Launcher, seed: int, progress: Callable[[str], None], kept: Kept | None = None
) -> Generator[Row, None, None]:
    """Grade the reference with every subset of the bugs left in, bug items only: none, all, then by size.

    The first subset is graded by itself, and asks the reference what all others compare with; then two at a time.
    Closed before its end, it grades no more.

    Args:
        kept: the answers to the same seed's questions in other exercises of the same reference.
    """
    bugs = tuple(item.id for item in exercise.rubric.item if item.kind == "bug")
    subsets = [subset for size in (0, len(bugs), *range(1, len(bugs))) for subset in combinations(bugs, size)]
    options = Options(only=bugs, seed=seed, timeout=MEASURING_QUESTION_SECONDS, explain=False)
    kept = kept or Kept()
    sessions = [Session(exercise, launcher, Keep.EVERYTHING, kept) for _ in range(AT_ONCE)]
    idle: SimpleQueue[Session] = SimpleQueue()
    for session in sessions:
        idle.put(session)

    def graded(left: tuple[str, ...]) -> Row:
        session = idle.get()
        try:
            return _row(session, left, options)
        finally:
            idle.put(session)

    threads = ThreadPoolExecutor(AT_ONCE)
    under_way: deque[Future[Row]] = deque()
    try:
        for number, left in enumerate(subsets, start=1):
            progress(f"subset {number} of {len(subsets)}")
            under_way.append(threads.submit(graded, left))
            if number == 1 or len(under_way) == AT_ONCE:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for session in sessions:
            session.stop()  # or leaving the threads would wait for what is of no interest any more
        threads.shutdown(cancel_futures=True)
        for session in sessions:
            session.close()


def prove_repaired(exercise: Exercise, launcher: Launcher, seed: int, progress: Callable[[str], None]) -> Row:
    """Grade what the starter is once the bugs alone are repaired, and what was refactored around them is left."""
    bugs = tuple(item.id for item in exercise.rubric.item if item.kind == "bug")
    options = Options(only=bugs, seed=seed, timeout=MEASURING_QUESTION_SECONDS, explain=False)
    progress("the refactored text without its bugs")
    with Session(exercise, launcher, Keep.NOTHING) as session:
        return _graded(session, exercise.repaired(), (), options)


def _row(session: Session, left: tuple[str, ...], options: Options) -> Row:
    return _graded(session, session.exercise.variant(frozenset(left)), left, options)


def _graded(session: Session, files: dict[str, str], left: tuple[str, ...], options: Options) -> Row:
    submission = Submission(name="variant", files=files, sha256=SUBMISSION, notes=())
    result = session.grade(submission, options)
    return Row(
        left=left,
        statuses={item.id: str(item.status) for item in result.items},
        remaining=result.remaining_bugs,
        scores={item.id: item.score for item in result.items},
    )
