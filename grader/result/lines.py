"""The lines of JSONL files: submissions to be graded, what came of each, and what a second grade makes of that.

``docs/batch.schema.json`` has all of them as JSON Schema.
"""

import hashlib
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from grader.files.printable import one_line
from grader.limits import QUESTION_MAX_SECONDS, SEED_BOUND
from grader.result.hidden import Frozen
from grader.result.record import Asked, FollowUp, Integrity, ItemResult, Lane, Points, Result, Status, untimed

ID_MAX_LENGTH: Final = 200  # characters
Id = Annotated[str, Meta(min_length=1, max_length=ID_MAX_LENGTH)]
Seed = Annotated[int, Meta(ge=0, lt=SEED_BOUND)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class AttemptOptions(Frozen, frozen=True, kw_only=True):
    """How one submission is graded; null where it is as the command line says."""

    only: tuple[str, ...] | None = None  # ids of items and follow-ups; empty for all
    followups: bool | None = None  # whether follow-ups are asked that ``only`` does not name
    thorough: bool | None = None
    timeout: Annotated[float, Meta(gt=0, le=QUESTION_MAX_SECONDS)] | None = None  # seconds for one question


class AttemptLine(Frozen, frozen=True, kw_only=True):
    """One submission to be graded: either a ``path``, or the ``files`` themselves."""

    id: Id  # no other line's
    path: str | None = None  # a directory or an archive; a relative one is looked for beside the JSONL file
    files: dict[str, str] | None = None  # text by file name
    seed: Seed | None = None  # repeats a grade; null draws one in secret
    options: AttemptOptions = AttemptOptions()


class ErrorKind(StrEnum):
    """Why there is no verdict."""

    LINE = "line"  # the line itself cannot be understood
    SUBMISSION = "submission"  # what was handed in cannot be graded: its author's doing
    NOT_JUDGED = "not-judged"  # the machine or the grader failed: says nothing of the submission


class LineError(Frozen, frozen=True, kw_only=True):
    """Why a line has no verdict."""

    kind: ErrorKind
    message: str


class ItemLine(Frozen, frozen=True, kw_only=True):
    """One item's verdict, or a follow-up's."""

    id: str
    status: Status
    score: Points
    max_score: Points
    lane: Lane | None = None  # null for a follow-up


class Origin(Frozen, frozen=True, kw_only=True):
    """Of what a verdict is, and how it was reached: what it takes to reach it again."""

    exercise: str  # its id
    submission: Sha256  # of the files of the package
    tests: Sha256 | None  # of the tests beside them; null where there are none
    seed: Seed
    asked: Asked
    integrity: Integrity
    explained: bool  # whether evidence was collected, which is part of the result
    result: Sha256  # of the whole result without its times; see ``result_sha256``


class ResultLine(Frozen, frozen=True, kw_only=True):
    """What came of one line. ``reward`` is null if and only if ``error`` is not."""

    id: Id | None  # null where the line has none that is its own
    line: Annotated[int, Meta(ge=1)]  # its number in the file that was read
    reward: Annotated[float, Meta(ge=0, le=1)] | None = None
    score: Points | None = None
    max_score: Points | None = None
    items: tuple[ItemLine, ...] = ()
    followups: tuple[ItemLine, ...] = ()
    remaining_bugs: tuple[str, ...] | None = None  # the bugs still in, exactly; null when that is unknown
    origin: Origin | None = None  # null where nothing was graded
    seconds: float | None = None  # that the grade took
    error: LineError | None = None


class Worth(Frozen, frozen=True, kw_only=True):
    """What a submission was given."""

    reward: float | None
    score: Points
    max_score: Points


class ItemChange(Frozen, frozen=True, kw_only=True):
    """An item with another verdict; null where only one of the two grades has it."""

    id: str
    recorded: ItemLine | None
    here: ItemLine | None


class RecheckLine(Frozen, frozen=True, kw_only=True):
    """A recorded verdict beside the one that is reached here."""

    id: str
    source: str  # the file that it was recorded in
    submission: str  # its hash
    recorded: Worth
    here: Worth | None = None  # null where ``error`` says why
    same_reward: bool | None = None
    same_result: bool | None = None  # to the byte, but for times
    items: tuple[ItemChange, ...] = ()  # those whose verdict is another
    traces: tuple[str, ...] | None = None  # comparisons whose answers are of other bits; null where none were recorded
    differs: tuple[str, ...] = ()  # what is not the same of "exercise", "grader" and "environment"
    error: LineError | None = None


class LineUnreadable(Exception):
    """A line is none of the format, and why."""


_attempt_decoder: Final = msgspec.json.Decoder(AttemptLine)
_result_decoder: Final = msgspec.json.Decoder(ResultLine)


def read_attempt(data: bytes) -> AttemptLine:
    """The submission that a line names. Raises ``LineUnreadable``."""
    try:
        attempt = _attempt_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LineUnreadable(f"not a submission: {one_line(str(error))[:300]}") from None
    if not attempt.id.isprintable():
        raise LineUnreadable(f"id={attempt.id!r}; expected printable characters")
    if (attempt.path is None) == (attempt.files is None):
        found = "neither" if attempt.path is None else "both"
        raise LineUnreadable(f"it has {found} of 'path' and 'files'; expected one of them")
    return attempt


def read_result_line(data: bytes) -> ResultLine:
    """What came of a line. Raises ``LineUnreadable``."""
    try:
        return _result_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LineUnreadable(one_line(str(error))[:300]) from None


def to_line(record: Frozen) -> bytes:
    """A record as one line of a JSONL file."""
    return msgspec.json.encode(record) + b"\n"


def result_sha256(result: Result) -> str:
    """SHA-256 of a result as compact JSON, without its times: the same for each grade that is repeated in its way."""
    return hashlib.sha256(msgspec.json.encode(untimed(result))).hexdigest()


def result_line(id: str, line: int, result: Result, seconds: float) -> ResultLine:
    """The line of a result, which is the instructor's."""
    parts: tuple[ItemResult | FollowUp, ...] = (*result.items, *result.followups)
    unjudged = [part.id for part in parts if part.status is Status.NOT_JUDGED]
    message = f"the machine or the grader failed, and could not judge {', '.join(unjudged)}; grade it again"
    return ResultLine(
        id=id,
        line=line,
        reward=result.reward,
        score=result.score,
        max_score=result.max_score,
        items=tuple(map(_item, result.items)),
        followups=tuple(map(_item, result.followups)),
        remaining_bugs=result.remaining_bugs,
        origin=origin_of(result),
        seconds=round(seconds, 3),
        error=LineError(kind=ErrorKind.NOT_JUDGED, message=message) if result.reward is None else None,
    )


def origin_of(result: Result) -> Origin:
    """What it takes to reach an instructor's result again. Raises ``ValueError`` for a learner's, which has no seed."""
    if result.environment.seed is None:
        raise ValueError("a learner's result")
    return Origin(
        exercise=result.exercise.id,
        submission=result.candidate.sha256,
        tests=result.candidate.tests_sha256,
        seed=result.environment.seed,
        asked=result.asked,
        integrity=result.integrity,
        explained=result.changes is not None,
        result=result_sha256(result),
    )


def compared(
    id: str, source: str, recorded: ResultLine, here: ResultLine, traces: tuple[str, ...] | None = None
) -> RecheckLine:
    """A recorded verdict beside the one reached here; both have an origin."""
    assert recorded.origin is not None, recorded
    assert here.origin is not None, here
    old, new = ({part.id: part for part in (*one.items, *one.followups)} for one in (recorded, here))
    there, now = recorded.origin.integrity, here.origin.integrity
    pairs = {name: (getattr(there, name), getattr(now, name)) for name in ("exercise", "grader", "environment")}
    return RecheckLine(
        id=id,
        source=source,
        submission=recorded.origin.submission,
        recorded=worth(recorded),
        here=worth(here),
        same_reward=recorded.reward == here.reward,
        same_result=recorded.origin.result == here.origin.result,
        items=tuple(
            ItemChange(id=name, recorded=old.get(name), here=new.get(name))
            for name in old | new
            if old.get(name) != new.get(name)
        ),
        traces=traces,
        differs=tuple(name for name, (one, other) in pairs.items() if one != other),
        error=here.error,
    )


def worth(line: ResultLine) -> Worth:
    """What a line's submission was given."""
    return Worth(reward=line.reward, score=line.score or 0.0, max_score=line.max_score or 0.0)


def _item(part: ItemResult | FollowUp) -> ItemLine:
    lane = part.lane if isinstance(part, ItemResult) else None
    return ItemLine(id=part.id, status=part.status, score=part.score, max_score=part.max_score, lane=lane)
