"""What there is to say of a check, as plain text that commands nothing wherever it is shown."""

from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import count, islice
from typing import Final, NamedTuple

from grader.files.printable import printable
from grader.report.grid import Cell, TokenTable, token_table
from grader.report.verdict import DOES_NOT_RUN, Stop, is_full, waits_for_the_code, what_was_seen
from grader.report.words import OUTCOME, STATUS, number
from grader.result.record import (
    CheckResult,
    Counterexample,
    FollowUp,
    ItemResult,
    Lane,
    Outcome,
    Result,
    Role,
    Status,
)

LINE: Final = 300  # characters of what has to fit on a line
TEXT: Final = 8_000  # characters of anything else; the JSON result has all of it

_BLOCKED_OR_OURS: Final = (Outcome.BLOCKED, Outcome.NOT_JUDGED)


# Of an item whose checks are not shown; any other status is a pass or a failure by its points.
OF_A_STATUS: Final = {Status.WAITS: Outcome.BLOCKED, Status.NOT_JUDGED: Outcome.NOT_JUDGED}


class Kind(Enum):
    """Whose words a text is made of, and how it is laid out."""

    OURS = auto()  # the check's and the exercise's own, on one line
    QUOTED = auto()  # may repeat what the candidate said, on one line
    CODE = auto()  # the same, and its spaces and lines mean something


class Part(NamedTuple):
    """One thing to say, with what it is."""

    label: str
    text: str
    kind: Kind


def line(text: str, limit: int = LINE) -> str:
    """The text on one line; what is too long ends in an ellipsis."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def block(text: str, limit: int = TEXT) -> str:
    """The text with its lines; what is cut is said."""
    # Cut first: of a flood only what is shown is worth looking at.
    shown, left = printable(text[:limit]), len(text) - limit
    return shown if left <= 0 else f"{shown}… ({left:,} more characters; the JSON result has them)"


def stopped(stop: Stop) -> Iterator[Part]:
    """Why the submission does not run, and where."""
    yield Part(DOES_NOT_RUN, line(stop.headline), Kind.QUOTED)
    if stop.excerpt:
        yield Part("The line", block(stop.excerpt), Kind.CODE)
    if stop.came_from:
        yield Part("Called from", block("\n".join(stop.came_from)), Kind.CODE)
    yield Part("What comes of it", line(stop.waits), Kind.OURS)


def headline(check: CheckResult) -> str:
    """What came of it and what it asks, on one line."""
    label = OUTCOME[check.outcome]
    return f"{label.symbol} {label.word}: {line(check.title)}"


def distinct(names: Iterable[str]) -> list[str]:
    """The names, with a number behind one that was there before."""
    given: list[str] = []
    for name in names:
        tries = (f"{name} ({number})" if number > 1 else name for number in count(1))
        given.append(next(each for each in tries if each not in given))
    return given


def asked(result: Result) -> list[tuple[ItemResult | FollowUp, CheckResult]]:
    """Every check with what it belongs to, the items' first.

    Where checks are not shown, each item stands for its own, and where items are not, the whole grade.
    """
    parts: tuple[ItemResult | FollowUp, ...] = (*result.items, *result.followups)
    if result.has_checks:
        return [(part, check) for part in parts for check in part.checks]
    parts = (whole(result), *parts) if result.is_score_alone else parts
    return [(part, _in_place_of_checks(part)) for part in parts]


def whole(result: Result) -> ItemResult:
    """The grade as one item, where its items are not shown."""
    return ItemResult(
        id="score",
        title=result.exercise.title,
        status=Status.FIXED if result.full_marks else Status.PARTLY if result.score else Status.NOT_FIXED,
        score=result.score,
        max_score=result.max_score,
        lane=Lane.BEHAVIOUR,
        summary=f"{number(result.score)} of {number(result.max_score)} points",
        checks=(),
    )


def _in_place_of_checks(part: ItemResult | FollowUp) -> CheckResult:
    outcome = OF_A_STATUS.get(part.status, Outcome.PASSED if is_full(part) else Outcome.FAILED)
    points = f"{number(part.score)} of {number(part.max_score)} points"
    return CheckResult(
        id=part.id,
        title=part.title,
        outcome=outcome,
        role=Role.EARNS,
        score=part.score,
        max_score=part.max_score,
        seconds=0.0,
        message=part.summary or f"{STATUS[part.status].word}: {points}",
    )


def reason(check: CheckResult) -> str:
    """Why the check did not pass, on one line that is never empty."""
    if seen := line(what_was_seen(check)):
        return seen
    if check.blocked_by:
        return f"Waits until these are right: {', '.join(map(line, check.blocked_by))}"
    return OUTCOME[check.outcome].word


def evidence(check: CheckResult, limit: int = TEXT, *, with_output: bool = True) -> Iterator[Part]:
    """Why the check did not pass, from what was seen to why it matters; nothing where it passed.

    What usually causes it is left to the report, which folds it away: it comes close to naming a bug.

    Args:
        limit: characters of each text.
        with_output: whether to say what the code printed, where a format has no place of its own for that.
    """
    if check.outcome is Outcome.PASSED:
        return
    case = check.counterexample
    if check.message and (case is None or case.seen not in check.message):
        yield Part("What happened", line(check.message), Kind.QUOTED)
    if check.blocked_by:
        yield Part("Fix first", ", ".join(map(line, check.blocked_by)), Kind.OURS)
    if case is not None:
        yield from _case(case, limit)
    if with_output and check.output:
        yield Part("What the code printed meanwhile", block(check.output, limit), Kind.CODE)
    if check.outcome in _BLOCKED_OR_OURS:
        return  # nothing is known to be wrong with the code
    if check.why:
        yield Part("Why it matters", line(check.why, 2 * LINE), Kind.OURS)


def as_text(parts: Iterable[Part], margin: str = "") -> str:
    """The parts below each other, code indented below its label."""
    return "\n".join(_indented(part, margin) for part in parts)


def telling(item: ItemResult | FollowUp) -> tuple[CheckResult, ...]:
    """The checks that are worth their evidence: of what is not built, or waits, for one reason, only the first."""
    if waits_for_the_code(item):
        return ()  # it has been said at the top
    failing = (check for check in item.checks if check.outcome is not Outcome.PASSED)
    return tuple(islice(failing, 1 if item.status in (Status.NOT_BUILT, Status.WAITS) else None))


def _case(case: Counterexample, limit: int) -> Iterator[Part]:
    yield Part("Should be true", line(case.claim), Kind.OURS)
    yield Part("Was seen", block(case.seen, limit), Kind.CODE if "\n" in case.seen else Kind.QUOTED)
    if case.config:
        settings = (f"{line(name)} = {line(str(value))}" for name, value in case.config.items())
        yield Part("Smallest case found", ", ".join(settings), Kind.OURS)
    if case.grid is not None:
        table = token_table(case.grid)
        yield Part("Input tokens" + _legend(table), _tokens(table), Kind.CODE)
    if case.snippet is not None:
        label = "See it yourself (this has been run against this submission, and it does show the failure)"
        yield Part(label, block(case.snippet, limit), Kind.CODE)
    if case.traceback is not None:
        yield Part("Where it raised", block(case.traceback, limit), Kind.CODE)
    if case.hidden is not None:
        expected = f"{case.hidden.expected}\n{case.hidden.note}".strip()
        yield Part("Reference (instructor only)", block(expected, limit), Kind.CODE)


def _legend(table: TokenTable) -> str:
    marks = [f"{mark.symbol} {mark.meaning}" for mark in table.legend]
    return f" ({'; '.join(marks)})" if marks else ""


def _tokens(table: TokenTable) -> str:
    rows = (f"{row.title}: {' | '.join(map(_cell, row.cells))}" for row in table.rows)
    return "\n".join(rows) + ("\n… the JSON result has all of them" if table.cut else "")


def _cell(cell: Cell) -> str:
    return f"{cell.mark.symbol} {cell.text}" if cell.mark is not None else cell.text


def _indented(part: Part, margin: str) -> str:
    if part.kind is not Kind.CODE:
        return f"{margin}{part.label}: {part.text}"
    lines = (f"{margin}    {row}".rstrip() for row in part.text.rstrip("\n").split("\n"))
    return "\n".join([f"{margin}{part.label}:", *lines])
