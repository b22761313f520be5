"""What travels to and from the processes that grade side by side: all by value, as to another machine."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from grader.exercise.key import Key
from grader.exercise.model import Exercise, Rubric, StoredExercise
from grader.grading.options import Options
from grader.jobs import Failure, Messages
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
