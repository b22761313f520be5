"""Grading side by side: what a process that grades is sent and what it answers, and a pool of them on this machine."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from grader.exercise.key import Key
from grader.exercise.model import Exercise, Rubric, StoredExercise
from grader.grading.options import Options
from grader.jobs import About, Asked, Failure, Jobs, Messages, Work
from grader.limits import JOB_BUDGET_FACTOR, JOB_SECONDS
from grader.result.record import Audience, Feedback
from grader.submission.read import Submission


class Setup(Struct, frozen=True, kw_only=True, tag="setup"):
    """The first message: the exercise, and how all submissions are graded."""

    directories: tuple[str, str] | None  # the exercise's reference and starter, if it lies anywhere
    reference: dict[str, str]
    visible_tests: str
    rubric: Rubric
    key: Key
    options: Options  # where a task says nothing else
    audience: Audience | None  # whom the reports are for; None where no reports are wanted
    feedback: Feedback  # how much of a result a learner is shown

    @property
    def exercise(self) -> Exercise:
        """The exercise, put together again."""
        parts = self.reference, self.visible_tests, self.rubric, self.key
        return StoredExercise(*parts, *map(Path, self.directories)) if self.directories else Exercise(*parts)


class Task(Struct, frozen=True, kw_only=True, tag="task"):
    """Grade this."""

    submission: Submission
    options: Options | None = None  # None: as the setup says; the isolation is the setup's in any case
    folder: str = ""  # the candidate's, which the report leads back to; empty for a report that leads nowhere


class Graded(Struct, frozen=True, kw_only=True, tag="graded"):
    """A grade: the instructor's result as JSON, and the report as HTML, empty where none is wanted."""

    result: bytes
    report: bytes
    seconds: float  # that it took; neither of the two says it in a cohort


class NotGraded(Failure, frozen=True, kw_only=True, tag="not-graded"):
    """There is no verdict: our side or the machine failed."""


class Answer(Struct, frozen=True, kw_only=True, tag="answer"):
    """What came of a submission on a cluster, and which of its workers says so."""

    worker: str
    graded: Graded | NotGraded


Message = Setup | Task | Graded | NotGraded | Answer


def setup_of(
    exercise: Exercise, options: Options, audience: Audience | None, feedback: Feedback = Feedback.HINTS
) -> Setup:
    """What a process needs to know to grade submissions of ``exercise``.

    Args:
        audience: whom the reports are for; None where no reports are wanted.
        feedback: how much of a result those for learners show.
    """
    directories = None
    if isinstance(exercise, StoredExercise):
        directories = str(exercise.reference_directory), str(exercise.starter_directory)
    return Setup(
        directories=directories,
        reference=exercise.reference,
        visible_tests=exercise.visible_tests,
        rubric=exercise.rubric,
        key=exercise.key,
        options=options,
        audience=audience,
        feedback=feedback,
    )


MESSAGES: Final = Messages(msgspec.msgpack.Decoder[Message](Message))
encode, decode, send, receive = MESSAGES.encode, MESSAGES.decode, MESSAGES.send, MESSAGES.receive


class Backend(Protocol):
    """What grades many submissions: a pool of this machine, or a cluster."""

    def grade(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        """What came of each, as they are done. The next is taken when there is room for it."""


def by_name(submissions: Mapping[str, Submission]) -> Iterator[Asked[str, Task]]:
    """These submissions, all graded as the setup says."""
    return (Asked(name, Task(submission=submission, folder=name)) for name, submission in submissions.items())


def cores() -> int:
    """How many processes can compute at a time here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grading(setup: Setup) -> Work[Task, Graded, NotGraded]:
    """What a job does in a cohort: it grades submissions, with a launcher of its own."""
    return Work(
        module="grader.cohort.job",
        messages=MESSAGES,
        setup=setup,
        called="graded",
        done=Graded,
        failed=NotGraded,
        limit=lambda task: JOB_SECONDS + JOB_BUDGET_FACTOR * (task.options or setup.options).budget,
    )


class Pool(Jobs[Task, Graded, NotGraded]):
    """Up to ``most`` processes of this machine that grade. Use as a context manager: leaving it ends them all."""

    def __init__(self, setup: Setup, most: int) -> None:
        super().__init__(grading(setup), most)

    def grade(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        """What came of each submission, in the order in which they are done.

        The next one is taken when a job is free for it, so that there may be any number of them.

        Raises:
            CannotJudge: the machine cannot do it, for any submission.
        """
        return self.answers(asked)
