"""The last line of a grade in a terminal: what to do next."""

from collections.abc import Callable
from typing import Final

from grader.files.printable import one_line
from grader.report import terminal
from grader.report.verdict import first_failing, first_step, is_full, is_right_but_for_bits, is_unbuilt, stops, withheld
from grader.result.record import STOPPED, Feedback, FollowUp, ItemResult, Result, Status

Command = Callable[[str], str]
"""How the hint for an item is asked for, by its id."""

SEE_TO_THE_MACHINE: Final = "Next: see what this machine lacks, by `grader doctor`, and grade again."
_TITLE: Final = 40  # columns, beside the longest of the sentences below


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
    return terminal.clip(one_line(text), _TITLE)
