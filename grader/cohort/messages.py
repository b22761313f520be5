"""What travels to and from the processes that grade side by side: all by value, as to another machine."""

import socket
import struct
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from grader.exercise.key import Key
from grader.exercise.model import Exercise, Rubric, StoredExercise
from grader.grading.options import Options
from grader.limits import MESSAGE_MAX_BYTES
from grader.result.record import Audience, Feedback
from grader.submission.read import Submission

_LENGTH: Final = struct.Struct("!I")


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


class NotGraded(Struct, frozen=True, kw_only=True, tag="not-graded"):
    """There is no verdict: our side or the machine failed."""

    reason: str
    hopeless: bool = False  # it will be the same for every submission


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


def encode(message: Message) -> bytes:
    """The message as bytes."""
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """What ``encode`` made the bytes of. Raises ``msgspec.DecodeError`` for anything else."""
    try:
        return _decoder.decode(data)
    except RecursionError:
        raise msgspec.DecodeError("a message that is nested too deep") from None


def send(connection: socket.socket, message: Message) -> None:
    """Send one message. Raises OSError when the reader is gone."""
    data = encode(message)
    connection.sendall(_LENGTH.pack(len(data)) + data)


def receive(stream: BinaryIO) -> Message | None:
    """The next message; None when the other side has ended, in the middle of one too.

    Raises:
        msgspec.DecodeError: what came is no message of ours. Nothing that comes after it can be read.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MESSAGE_MAX_BYTES:
        raise msgspec.DecodeError(f"a message of {length} bytes; expected at most {MESSAGE_MAX_BYTES}")
    data = stream.read(length)
    return decode(data) if len(data) == length else None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)
