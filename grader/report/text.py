"""A result for a terminal: a compact table, and in the last line what to do next."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from grader.files.printable import one_line, quoted
from grader.report import terminal
from grader.report.terminal import Paint, plain
from grader.report.verdict import (
    DOES_NOT_RUN,
    first_failing,
    first_step,
    is_full,
    is_right_but_for_bits,
    is_unbuilt,
    item_title,
    shows_followups,
    stops,
    tested,
    verdict,
    waits_for_the_code,
    what_was_seen,
    withheld,
)
from grader.report.words import STATUS, number
from grader.report.words import label as check_label
from grader.result.record import STOPPED, Audience, Feedback, FollowUp, Isolation, ItemResult, Result, Status

Command = Callable[[str], str]
"""How the hint for an item is asked for, by its id."""

WIDTH = 80
_TITLE, _STATUS, _POINTS = 45, 17, 14  # with the margin and the two gaps between them: 80
_NOTES = 5
SEE_TO_THE_MACHINE: Final = "Next: see what this machine lacks, by `grader doctor`, and grade again."
_NAME: Final = 40  # columns, beside the longest sentence on what to do next


def render_text(result: Result, paint: Paint = plain, exercise: str = "", hint: Command | None = None) -> str:
    """The result in at most 80 columns: the items, what each unfinished one stumbles over, and what to do next.

    Args:
        exercise: which one it was graded against, and who said so, where that is to be said.
        hint: how a hint is asked for; None where none can be. A command is never cut, however long it is.
    """
    lines = (*_lines(result, paint, exercise), "", next_step(result, hint))
    return "".join(f"{_unheard(line)}\n" for line in lines)


def _unheard(line: str) -> str:
    """The line without what GitHub's log would take for a command: ``::`` where it begins, ``##[`` anywhere."""
    text = line.lstrip().replace("##[", "#[")
    return " " * (len(line) - len(line.lstrip())) + (text.lstrip(":") if text.startswith("::") else text)


def _lines(result: Result, paint: Paint, exercise: str) -> Iterator[str]:
    yield from terminal.wrap(one_line(result.exercise.title), WIDTH, 2)
    if result.items or result.is_score_alone:
        yield f"Score: {number(result.score)} of {number(result.max_score)}"
    yield from terminal.wrap(verdict(result), WIDTH, 2)
    # Behind the score and in one line: a folder may be called "Score: 100 of 100".
    yield terminal.clip(f"Candidate: {quoted(result.candidate.name)}", WIDTH)
    if exercise:
        first, *more = terminal.wrap(f"Exercise: {one_line(exercise)}", WIDTH - 2, 3)
        yield first
        yield from (f"  {line}" for line in more)
    if exercise and result.audience is Audience.LEARNER:
        yield "This is the learner's copy; --audience instructor gives the other."
    yield from _remaining(result)
    yield from _stops(result, paint)
    yield from _isolation(result.environment.isolation)
    yield from _notes(result.candidate.notes)
    if result.items:
        yield ""
        yield from _table("Item", result.items, paint)
    yield from _followups(result, paint)
    parts: list[ItemResult | FollowUp] = [*result.items, *(each for each in result.followups if not is_unbuilt(each))]
    for part in parts if result.has_checks else ():
        if not is_full(part) and not waits_for_the_code(part):
            yield from _trouble(part, paint)


def _stops(result: Result, paint: Paint) -> Iterator[str]:
    """Why it does not run, with the line that it stops at: one thing, and the only one to see to."""
    for stop in stops(result):
        yield ""
        first, *more = terminal.wrap(f"{DOES_NOT_RUN}: {one_line(stop.headline)}", WIDTH - 2, 4)
        yield first.replace(DOES_NOT_RUN, paint(DOES_NOT_RUN, "bad"), 1)
        # Indented: what it quotes may read like a score.
        yield from (f"  {line}" for line in more)
        yield from (f"    {terminal.clip(line, WIDTH - 4).rstrip()}" for line in stop.excerpt.splitlines())
        yield from (f"  {terminal.clip(one_line(f'called from {line}'), WIDTH - 2)}" for line in stop.came_from)
        yield from terminal.wrap(stop.waits, WIDTH, 3)


def _table(what: str, items: Iterable[ItemResult | FollowUp], paint: Paint) -> Iterator[str]:
    yield _row(what, "Status", "Points")
    yield "  " + "─" * (WIDTH - 2)
    for item in items:
        yield _item_row(item, paint)
        yield from _indented(tested(item), margin=4)


def _followups(result: Result, paint: Paint) -> Iterator[str]:
    """A table of their own; one line where none is built, since they are optional."""
    if not result.followups:
        return
    if shows_followups(result):
        yield ""
        yield from _table("Follow-up question, beside the points", result.followups, paint)
        return
    if titles := ", ".join(one_line(each.title) for each in result.followups if not waits_for_the_code(each)):
        yield ""
        yield from terminal.wrap(f"Follow-up questions, none built: {titles}", WIDTH, 2)


def _remaining(result: Result) -> Iterator[str]:
    if result.remaining_bugs is not None:
        named = ", ".join(one_line(item_title(result, bug)) for bug in result.remaining_bugs) or "none"
        yield from terminal.wrap(f"Known bugs still in: {named}", WIDTH, 3)


def _notes(notes: tuple[str, ...]) -> Iterator[str]:
    for note in notes[:_NOTES]:
        yield from terminal.wrap(f"Note: {one_line(note)}", WIDTH, 2)
    if more := notes[_NOTES:]:
        yield f"Note: there are {len(more)} more; the report has them"


def _isolation(isolation: Isolation) -> Iterator[str]:
    """Without a lock the verdict is worth as much as the trust in the candidate: not for the small print."""
    if isolation.mode != "strict":
        for sentence in isolation.missing:
            yield from terminal.wrap(one_line(sentence), WIDTH, 2)


def _item_row(item: ItemResult | FollowUp, paint: Paint) -> str:
    label = STATUS[item.status]
    score = f"{number(item.score)} of {number(item.max_score)}"
    return _row(one_line(item.title), f"{label.symbol} {label.word}", score, lambda text: paint(text, label.tone))


def _row(title: str, status: str, points: str, painted: Callable[[str], str] = str) -> str:
    # Measured first, painted then: what makes a colour takes no column.
    cells = (
        terminal.pad(title, _TITLE),
        painted(terminal.pad(status, _STATUS)),
        terminal.clip(points, _POINTS).rjust(_POINTS),
    )
    return "  " + " ".join(cells)


def _trouble(item: ItemResult | FollowUp, paint: Paint) -> Iterator[str]:
    label = STATUS[item.status]
    yield ""
    yield f"{paint(label.symbol, label.tone)} {terminal.clip(one_line(item.title), WIDTH - 2)}"
    check = first_failing(item)
    if check is None:
        yield from _indented(one_line(item.summary))
        return
    if is_right_but_for_bits(item):
        yield from _indented("Right, but not bit for bit:")
        yield from _indented(one_line(what_was_seen(check)), margin=4, lines=4)  # the changed line, and how far apart
        return
    yield from _indented(f"{check_label(check).word}: {one_line(check.title)}")
    yield from _indented(one_line(what_was_seen(check)), margin=4)


def _indented(text: str, margin: int = 2, lines: int = 2) -> Iterator[str]:
    for line in terminal.wrap(text, WIDTH - margin, lines):
        yield " " * margin + line


def next_step(result: Result, hint: Command | None = None) -> str:
    """One line on what to do next, with the command for a hint where there is one.

    Args:
        hint: None where no hint can be asked for, as for an archive.
    """
    stopped = stops(result)
    if stopped:
        asked = hint if result.feedback is Feedback.HINTS else None
        return f"Next: make {_named(stopped[0].files[0])} run.{_asking(asked, STOPPED)}"
    if not result.has_checks:
        return _without_checks(result)
    begin = first_step(result) or _first_followup(result)
    if begin is None:
        return _when_all_is_right(result)
    title = _named(begin.title)
    if begin.status is Status.NOT_JUDGED:
        return SEE_TO_THE_MACHINE
    if is_right_but_for_bits(begin):
        return f"Next: {title}, whose bits alone differ: see above where."
    return f"Next: {title}.{_asking(hint, begin.id) if begin.hints else ''}"


def _without_checks(result: Result) -> str:
    """Which item is next, as far as that is shown."""
    if not result.judged:
        return SEE_TO_THE_MACHINE
    if result.full_marks:
        return "Next: nothing. All that was asked for is right."
    unfinished = next((item for item in result.items if not is_full(item)), None)
    where = f": {_named(unfinished.title)}" if unfinished is not None else ""
    return f"Next{where or ': look for what is not right yet'}. {withheld(result)}"


def _asking(hint: Command | None, name: str) -> str:
    return f" For a hint: {one_line(hint(name))}" if hint is not None else ""


def _first_followup(result: Result) -> ItemResult | FollowUp | None:
    """The first follow-up that is begun, or was asked for by name, and is not right."""
    return next(
        (
            each
            for each in result.followups
            if (not is_unbuilt(each) or each.id in result.asked.only) and not is_full(each) and first_failing(each)
        ),
        None,
    )


def _when_all_is_right(result: Result) -> str:
    left = next((each for each in result.followups if is_unbuilt(each)), None)
    if left is None:
        return "Next: nothing. All that was asked for is right."
    return f"Next, if you like: the follow-up {_named(left.title)}."


def _named(text: str) -> str:
    return terminal.clip(one_line(text), _NAME)
