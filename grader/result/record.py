"""The result of a grade: what is written as JSON, read back, and rendered.

The record is data only. It does not know how it came about (``grader.grading.grade``) or how it will be
shown (``grader.report``). Everything that was computed by the hidden reference, and everything that
would let someone replay the hidden questions, sits in fields of its own that are marked ``HIDDEN``, so
that the learner's view is made by emptying those fields and not by searching text.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from grader.files.digest import digest
from grader.files.printable import printable
from grader.result.exhibits import CacheExhibit as CacheExhibit
from grader.result.exhibits import Curve as Curve
from grader.result.exhibits import Divergence as Divergence
from grader.result.exhibits import Exhibits as Exhibits
from grader.result.exhibits import FlopsExhibit as FlopsExhibit
from grader.result.exhibits import InfluenceExhibit as InfluenceExhibit
from grader.result.exhibits import Matrix as Matrix
from grader.result.exhibits import ObjectivesRun as ObjectivesRun
from grader.result.exhibits import ParameterExhibit as ParameterExhibit
from grader.result.exhibits import ParameterRow as ParameterRow
from grader.result.exhibits import Shape as Shape
from grader.result.exhibits import TrainingExhibit as TrainingExhibit
from grader.result.exhibits import UlpExhibit as UlpExhibit
from grader.result.exhibits import WeightingExhibit as WeightingExhibit
from grader.result.hidden import HIDDEN as HIDDEN
from grader.result.hidden import Frozen as Frozen
from grader.result.timeline import EventKind as EventKind
from grader.result.timeline import FileChange as FileChange
from grader.result.timeline import ItemStory as ItemStory
from grader.result.timeline import Timeline as Timeline
from grader.result.timeline import TimelineEvent as TimelineEvent

STOPPED = "does-not-run"  # what code that does not run is called where an item has its id
SCHEMA_VERSION = 2  # 1 had no words for what waits and for what is built and wrong

Points = Annotated[float, Meta(ge=0)]


class Outcome(StrEnum):
    """What came of one check."""

    PASSED = "passed"
    FAILED = "failed"  # the property does not hold: there is a counterexample
    BROKEN = "broken"  # the candidate raised or died
    TIMED_OUT = "timed-out"
    BLOCKED = "blocked"  # an unfixed bug makes the question meaningless
    NOT_JUDGED = "not-judged"  # our side or the machine failed


class Status(StrEnum):
    """What came of one item of the rubric."""

    FIXED = "fixed"
    PARTLY = "partly"
    NOT_FIXED = "not-fixed"
    BUILT = "built"
    NOT_BUILT = "not-built"  # the code says so itself, or what is asked for is not there
    WRONG = "wrong"  # built, and nothing of it can be credited
    WAITS = "waits"  # not judged before something else is right: no failure, and no points yet
    NOT_JUDGED = "not-judged"


class Lane(StrEnum):
    """How closely the candidate agrees with the reference, the closest comparison that held."""

    BITWISE = "bitwise"
    FLOAT64 = "float64"
    FLOAT32 = "float32"
    BEHAVIOUR = "behaviour"  # no comparison held: the independent checks alone decide


class Role(StrEnum):
    """What a check can do to its item's points."""

    EARNS = "earns"
    GUARD = "guard"  # the starter passes it: it earns nothing, it can only take
    EXACT = "exact"  # the points for being identical bit for bit


class Mode(StrEnum):
    """What a model was asked in."""

    EVAL = "eval"
    TRAINING = "training"


class Audience(StrEnum):
    """Whom a result is written for."""

    INSTRUCTOR = "instructor"
    LEARNER = "learner"


class Feedback(StrEnum):
    """How much of a result a learner is shown: each level includes those before it."""

    SCORE = "score"  # the points of the whole, and whether it could be judged
    ITEMS = "items"  # and by item: its status and its points
    EVIDENCE = "evidence"  # and the checks, with the smallest case that fails
    HINTS = "hints"  # and where to look

    def includes(self, level: "Feedback") -> bool:
        """Whether all that ``level`` shows is shown."""
        order = list(Feedback)
        return order.index(self) >= order.index(level)


class Hidden(Frozen, frozen=True, kw_only=True):
    """What only an instructor may see of a counterexample."""

    expected: str  # the reference's values
    note: str = ""


class TokenGrid(Frozen, frozen=True, kw_only=True):
    """One token matrix of a counterexample, with what was changed and what moved; places are (row, position)."""

    tokens: tuple[tuple[int, ...], ...]  # (B, T)
    changed: tuple[tuple[int, int], ...] = ()  # tokens that were altered
    replaced_by: tuple[int, ...] = ()  # what each of those became
    named: tuple[tuple[int, int], ...] = ()  # tokens that the failure is about, and that were not altered
    labels: tuple[tuple[int, ...], ...] = ()  # (B, T), where the failure is about labels
    moved: tuple[tuple[int, int], ...] = ()  # logits that moved
    wrong: tuple[tuple[int, int], ...] = ()  # logits that moved and must not, or must and did not; with labels, those


class Counterexample(Frozen, frozen=True, kw_only=True):
    """The smallest case found that still fails."""

    claim: str  # what should be true
    seen: str  # what was seen instead
    config: dict[str, int | float | str] = msgspec.field(default_factory=dict)
    grid: TokenGrid | None = None
    snippet: str | None = None  # plain PyTorch; it has been run and does show the failure
    traceback: str | None = None  # the candidate's own frames, when it raised
    hidden: Annotated[Hidden | None, HIDDEN] = None


class CheckResult(Frozen, frozen=True, kw_only=True):
    """One check of one item."""

    id: str
    title: str
    outcome: Outcome
    role: Role
    score: Points
    max_score: Points  # for a guard: how many points it can take
    seconds: float
    message: str = ""
    why: str = ""  # why it matters
    usual_causes: tuple[str, ...] = ()
    examples: int = 0  # cases asked before the verdict
    blocked_by: tuple[str, ...] = ()  # item ids
    unbuilt: bool = False  # the code says itself that it is not built yet
    counterexample: Counterexample | None = None
    output: str = ""  # what the candidate printed meanwhile, capped


class Scope(Frozen, frozen=True, kw_only=True):
    """How far questions went: the largest of each size that was asked about, 0 for what was not, and the modes."""

    tokens: int = 0  # of one text, generated ones too
    rows: int = 0  # of one batch
    layers: int = 0
    width: int = 0
    vocabulary: int = 0
    steps: int = 0  # updates of one run
    modes: tuple[Mode, ...] = ()

    def __or__(self, other: "Scope") -> "Scope":
        """As far as either of them goes."""
        return Scope(
            tokens=max(self.tokens, other.tokens),
            rows=max(self.rows, other.rows),
            layers=max(self.layers, other.layers),
            width=max(self.width, other.width),
            vocabulary=max(self.vocabulary, other.vocabulary),
            steps=max(self.steps, other.steps),
            modes=self.modes if self.modes == other.modes else tuple(sorted({*self.modes, *other.modes})),
        )


class ItemResult(Frozen, frozen=True, kw_only=True):
    """One item of the rubric."""

    id: str
    title: str
    status: Status
    score: Points
    max_score: Points
    lane: Lane
    summary: str
    checks: tuple[CheckResult, ...]
    hints: tuple[str, ...] = ()  # where to look, each saying more than the one before; none for what is right
    scope: Scope | None = None  # how far the questions went; None in results from before this was recorded


class ExerciseInfo(Frozen, frozen=True, kw_only=True, omit_defaults=True):
    """Which exercise was graded."""

    id: str
    title: str
    # Titles by id of the items that were not asked for; left out where all were.
    unasked: dict[str, str] = msgspec.field(default_factory=dict)


class CandidateInfo(Frozen, frozen=True, kw_only=True):
    """Which submission was graded."""

    name: str
    sha256: str  # of the files of the package
    files: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()  # files of tests beside them
    tests_sha256: str | None = None  # None where there are none
    notes: tuple[str, ...] = ()  # files left out, and why


class Isolation(Frozen, frozen=True, kw_only=True):
    """What stood between the candidate and the machine."""

    mode: str  # "strict" or "process"
    layers: tuple[str, ...]  # what was applied, in plain words
    missing: tuple[str, ...]  # what was not, in plain words


class Environment(Frozen, frozen=True, kw_only=True):
    """Where the grade ran: what is needed to repeat it."""

    grader: str
    torch: str
    python: str
    platform: str
    cpu: str
    threads: int
    packages: dict[str, str]  # versions of what draws the questions, carries and compares the answers
    seed: Annotated[int | None, HIDDEN]
    isolation: Isolation


class Place(Frozen, frozen=True, kw_only=True):
    """A line of a file of the submission's."""

    file: str
    line: Annotated[int, Meta(ge=1)]
    column: Annotated[int, Meta(ge=1)] | None = None  # of the character that it is about; None where unknown
    function: str = ""  # that the line is in; empty for a line that could not be read
    source: str = ""  # the line itself

    @property
    def named(self) -> str:
        """As it stands in a sentence."""
        return f"{self.file} line {self.line}"


class LoadFault(Frozen, frozen=True, kw_only=True):
    """A module of the submission that does not run: it cannot be imported, or no model can be made and called.

    Nothing that needs it can be judged, and nothing of that is asked.
    """

    file: str
    reason: str
    place: Place | None = None  # where it stopped; None where nothing said so
    stack: tuple[Place, ...] = ()  # the lines that were being run, innermost last


class Asked(Frozen, frozen=True, kw_only=True):
    """How the grade was asked for: with the seed, what is needed to repeat it."""

    only: tuple[str, ...]  # ids of items and follow-ups; empty for all
    followups: bool = True  # whether those that were not named were asked too
    thorough: bool
    timeout: Annotated[float, Meta(gt=0)]  # seconds for one question, computing or asleep
    shared: bool = False  # whether other submissions got the same questions, as in a cohort


class Integrity(Frozen, frozen=True, kw_only=True):
    """SHA-256 of what the verdict was reached with; the candidate's stands with the candidate."""

    exercise: str  # reference, rubric and key
    grader: str  # the code that grades
    environment: str  # ``environment`` without its seed


class FollowUp(Frozen, frozen=True, kw_only=True):
    """One follow-up question, scored in a table of its own outside the 100 points."""

    id: str
    title: str
    status: Status
    score: Points
    max_score: Points
    summary: str = ""
    checks: tuple[CheckResult, ...] = ()  # those that were asked: none after one that all the others hang on
    hints: tuple[str, ...] = ()  # as those of an item; none where nothing is begun
    scope: Scope | None = None  # how far the questions went; None where that was not recorded


class Parting(Frozen, frozen=True, kw_only=True):
    """The first value that is not the same bit for bit."""

    where: str  # the question, in words
    tensor: str
    element: tuple[int, ...]
    ulps: int | None  # distance in units in the last place; None when it has no meaning (NaN, shapes)
    actual: str


class Trace(Frozen, frozen=True, kw_only=True):
    """What one comparison told of the candidate: a fingerprint of its answers, and where they part first."""

    comparison: str
    answers: str | None  # SHA-256 of the bits of all its answers; None where there was none, or for a twin
    lane: Lane
    bugs: tuple[str, ...] | None  # of the variant that agrees; None where none does
    parts: Parting | None  # from the reference; for a twin, from the variant that it was taken for


class Result(Frozen, frozen=True, kw_only=True):
    """A whole grade."""

    schema_version: Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)] = SCHEMA_VERSION
    audience: Audience = Audience.INSTRUCTOR
    feedback: Feedback = Feedback.HINTS  # of a learner's result how much it holds; else how much a learner's will
    exercise: ExerciseInfo
    candidate: CandidateInfo
    changes: tuple[FileChange, ...] | None = None  # against the starter; None when they were not compared
    score: Points
    max_score: Points
    items: tuple[ItemResult, ...]
    followups: tuple[FollowUp, ...] = ()
    remaining_bugs: tuple[str, ...] | None  # the bugs still in, exactly; None when that is unknown
    exhibits: Exhibits = Exhibits()
    environment: Environment
    load_faults: tuple[LoadFault, ...] = ()
    asked: Asked
    integrity: Integrity
    trace: Annotated[tuple[Trace, ...] | None, HIDDEN] = None  # None in results from before it was recorded
    seconds: float
    graded_at: str | None = None  # UTC, as 2026-11-29T19:04:10Z; None in a cohort, whose results are the same each time
    timeline: Timeline | None = None  # as the workspace's own history tells it; None where there is none

    @property
    def is_score_alone(self) -> bool:
        """Whether it is a learner's that shows the score alone: of its items it has those that could not be judged."""
        return self.audience is Audience.LEARNER and self.feedback is Feedback.SCORE

    @property
    def has_checks(self) -> bool:
        """Whether it says what was seen, and not only what came of it."""
        return self.audience is Audience.INSTRUCTOR or self.feedback.includes(Feedback.EVIDENCE)

    @property
    def full_marks(self) -> bool:
        """Whether every item that was asked for has all its points, and every follow-up that was asked for by name."""
        if self.is_score_alone:
            return self.judged and self.score >= self.max_score
        return all(part.score == part.max_score for part in self._asked_by_name)

    @property
    def judged(self) -> bool:
        """Whether the grader could judge every item, and every follow-up that was asked for by name."""
        return all(part.status is not Status.NOT_JUDGED for part in self._asked_by_name)

    @property
    def reward(self) -> float | None:
        """The share of the points that it has of all that was asked for, 0 to 1; None where something could not be
        judged, or nothing of it is shown: no verdict is no 0."""
        if self.is_score_alone:
            return self.score / self.max_score if self.judged and self.max_score else None
        parts = self._asked_by_name
        return sum(part.score for part in parts) / sum(part.max_score for part in parts) if self.judged else None

    @property
    def _asked_by_name(self) -> tuple[ItemResult | FollowUp, ...]:
        """What the exit code is about: follow-ups are extra, unless they were asked for."""
        return (*self.items, *(each for each in self.followups if each.id in self.asked.only))


def environment_digest(environment: Environment) -> str:
    """SHA-256 of an environment as it stands in a result, without its seed."""
    return digest({"environment": msgspec.json.encode(msgspec.structs.replace(environment, seed=None))})


def untimed(result: Result) -> Result:
    """The result without times, so that it is the same however busy the machine was."""
    return msgspec.structs.replace(
        result,
        items=tuple(msgspec.structs.replace(item, checks=_untimed(item.checks)) for item in result.items),
        followups=tuple(
            msgspec.structs.replace(followup, checks=_untimed(followup.checks)) for followup in result.followups
        ),
        seconds=0.0,
        graded_at=None,
    )


def _untimed(checks: tuple[CheckResult, ...]) -> tuple[CheckResult, ...]:
    return tuple(msgspec.structs.replace(check, seconds=0.0) for check in checks)


def harmless(result: Result) -> Result:
    """The result with every text in it printable: no renderer and no encoder can stumble over it."""
    return msgspec.convert(_harmless(msgspec.to_builtins(result)), Result)


def _harmless(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case list() | tuple():
            return [_harmless(entry) for entry in value]
        case dict():
            return {_harmless(key): _harmless(entry) for key, entry in value.items()}
    return value


def to_json(result: Result) -> bytes:
    """The result as indented JSON, UTF-8, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(harmless(result)), indent=2) + b"\n"


def from_json(data: bytes) -> Result:
    """Read a result back. Raises ``msgspec.ValidationError`` or ``DecodeError`` naming what is wrong."""
    return _of_today(harmless(msgspec.json.decode(data, type=Result)))


def _of_today(result: Result) -> Result:
    """A result of an earlier version in the words of this one: it called what waits not fixed, or not built."""
    if result.schema_version == SCHEMA_VERSION:
        return result
    return msgspec.structs.replace(
        result,
        schema_version=SCHEMA_VERSION,
        items=tuple(msgspec.structs.replace(item, status=_status_of_today(item)) for item in result.items),
        followups=tuple(msgspec.structs.replace(each, status=_status_of_today(each)) for each in result.followups),
    )


def _status_of_today(part: ItemResult | FollowUp) -> Status:
    if part.status not in (Status.NOT_FIXED, Status.NOT_BUILT):
        return part.status
    found = [check for check in part.checks if check.outcome is not Outcome.PASSED]
    if found and all(check.outcome is Outcome.BLOCKED for check in found):
        return Status.WAITS
    built = bool(part.checks) and not any(check.unbuilt for check in found)
    return Status.WRONG if part.status is Status.NOT_BUILT and built else part.status
