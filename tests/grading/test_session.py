"""A session grades one submission after another; a grade that is given up leaves it as it was."""

import threading
from dataclasses import replace
from typing import Any, Final

import pytest

from grader.errors import CannotJudge, UsageError
from grader.exercise.model import StoredExercise
from grader.grading.answer_cache import Keep
from grader.grading.grade import FirstLook
from grader.grading.options import Options
from grader.grading.schedule import Schedule
from grader.grading.session import Cancel, Session
from grader.grading.twins import match_twins
from grader.grading.variants import Match
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Result, Status
from grader.sandbox.client import Launcher
from grader.submission.read import submission_of

QUICK = Options(only=("projection",), seed=1, explain=False)
EMBEDDING_DROPOUT: Final = "self.dropout = nn.Dropout(config.dropout)\n        self.blocks"
PATIENCE: Final = 120.0  # seconds until a check was asked, where none waits for the twins


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[WorkerPool]:
    """The pools that were stopped."""
    pools: list[WorkerPool] = []
    monkeypatch.setattr(WorkerPool, "stop", lambda pool: pools.append(pool))
    return pools


def test_what_is_given_up_is_stopped_once_it_has_workers(launcher: Launcher, stopped: list[WorkerPool]) -> None:
    early, late = Cancel(), Cancel()
    one, other = WorkerPool(launcher), WorkerPool(launcher)
    early()
    assert stopped == []
    early.stops(one)
    late.stops(other)
    assert stopped == [one]
    late()

    assert stopped == [one, other]


def test_an_item_that_is_not_there_is_named_before_anything_is_started(
    launcher: Launcher, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(exercise, launcher)
    monkeypatch.setattr(Launcher, "spawn", lambda *_, **__: pytest.fail("a worker was started"))

    with pytest.raises(UsageError, match="no such item: 'nothing'"):
        session.grade(submission_of("mine", exercise.reference), Options(only=("nothing",)))


@pytest.mark.slow  # a grade under way is what is given up, and the one after it what must not notice
@pytest.mark.parametrize("keep", Keep)
@pytest.mark.parametrize(
    "first_look", [None, lambda _: pytest.fail("nothing was found yet")], ids=["whole", "looked at"]
)
def test_a_grade_that_is_given_up_leaves_the_session_as_it_was(
    keep: Keep, first_look: FirstLook | None, launcher: Launcher, exercise: StoredExercise
) -> None:
    submission = submission_of("mine", exercise.reference)
    with Session(exercise, launcher, keep) as session:
        cancel = Cancel()
        with pytest.raises(CannotJudge, match="nothing could be judged: it was given up"):
            session.grade(submission, QUICK, progress=lambda _: cancel(), cancel=cancel, first_look=first_look)
        graded = session.grade(submission, QUICK)
        session.stop()
        with pytest.raises(CannotJudge, match="nothing could be judged: it was given up"):
            session.grade(submission, QUICK)

    assert graded.full_marks


@pytest.mark.slow  # what is kept is what a grade has asked
def test_what_is_kept_between_grades_stays_within_its_bound(
    launcher: Launcher, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = submission_of("mine", exercise.reference)
    with Session(exercise, launcher) as session:

        def kept() -> int:
            memories = session._answer_cache._memories.values()
            return sum(array.nbytes for memory in memories for answer in memory.values() for array in answer.values())

        shared = replace(QUICK, shared=True)
        session.grade(submission, shared)
        whole = kept()
        monkeypatch.setattr("grader.grading.session.KEPT_ANSWERS_MAX_BYTES", whole // 2)
        again = session.grade(submission, shared)

        assert again.full_marks
        assert 0 < kept() <= whole // 2


@pytest.mark.slow  # the order in which a whole grade asks is what is looked at
def test_twins_are_compared_while_checks_are_asked(
    launcher: Launcher, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate's own run is a third of the work, and one question: the rest is not to wait for it."""
    checked = threading.Event()
    beside: list[bool] = []

    def match_when_checked(*given: Any) -> dict[str, Match]:
        beside.append(checked.wait(PATIENCE))
        return match_twins(*given)

    monkeypatch.setattr("grader.grading.grade.match_twins", match_when_checked)

    def progress(text: str) -> None:
        if text == exercise.items["projection"].title:
            checked.set()

    session = Session(exercise, launcher, Keep.NOTHING)
    session.grade(submission_of("right", exercise.reference), QUICK, progress=progress)

    assert beside == [True, True]


@pytest.mark.slow  # what a whole grade knows before its twins are compared
def test_a_first_look_is_given_before_whole_runs_are_compared(
    launcher: Launcher, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()
    waited: list[bool] = []
    first: list[Result] = []

    def match_when_looked(*given: Any) -> dict[str, Match]:
        waited.append(looked.wait(PATIENCE))
        return match_twins(*given)

    def look(result: Result) -> None:
        first.append(result)
        looked.set()

    monkeypatch.setattr("grader.grading.grade.match_twins", match_when_looked)
    never_dropped = exercise.reference["model.py"].replace(
        EMBEDDING_DROPOUT, "self.dropout = nn.Identity()\n        self.blocks"
    )
    submission = submission_of("mine", exercise.reference | {"model.py": never_dropped})
    session = Session(exercise, launcher, Keep.NOTHING)
    verdict = session.grade(submission, replace(QUICK, only=("training-step",)), first_look=look)

    assert waited == [True, True]
    assert [result.items[0].status for result in (*first, verdict)] == [Status.FIXED, Status.PARTLY]
    assert {c.id for c in first[0].items[0].checks} == {c.id for c in verdict.items[0].checks}


@pytest.mark.slow  # a model that does not run is found not to by a grade
def test_there_is_no_first_look_where_nothing_is_compared_afterwards(
    launcher: Launcher, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Event()

    def match_late(*_: object) -> dict[str, Match]:
        looked.wait(1.0)  # whoever compares is slower than all checks
        return {}

    monkeypatch.setattr("grader.grading.grade.match_twins", match_late)
    submission = submission_of("mine", exercise.reference | {"model.py": "raise RuntimeError\n"})
    looks: list[Result] = []
    Session(exercise, launcher, Keep.NOTHING).grade(submission, QUICK, first_look=looks.append)

    assert looks == []


@pytest.mark.slow  # the threads of a grade are what would wait
def test_a_grade_that_fails_before_its_checks_ends_though_twins_would_wait_for_them(
    launcher: Launcher, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise CannotJudge("the machine gave up")

    monkeypatch.setattr(Schedule, "ask_first", fail)
    session = Session(exercise, launcher, Keep.NOTHING)

    with pytest.raises(CannotJudge, match="the machine gave up"):
        session.grade(submission_of("mine", exercise.reference), QUICK, first_look=lambda _: None)
