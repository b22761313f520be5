"""The verdict of a whole grade, and of each item, in one line."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

from grader.report import terminal, words
from grader.report.words import WITH_BUG, lane
from grader.result.record import (
    Audience,
    CheckResult,
    Feedback,
    FollowUp,
    ItemResult,
    Lane,
    LoadFault,
    Outcome,
    Place,
    Result,
    Role,
    Status,
)

_SEEN = (Outcome.FAILED, Outcome.BROKEN, Outcome.TIMED_OUT)


def verdict(result: Result, so_far: bool = False) -> str:
    """What came of the grade, in one sentence of plain words.

    Args:
        so_far: whether the submission's own models and runs are still being compared with the solution's.
    """
    if so_far:
        return "All checks are done. Your own models and training runs are still being compared with the solution's."
    if result.is_score_alone:
        return _of_the_score(result)
    items = result.items or result.followups
    full = sum(is_full(item) for item in items)
    if result.load_faults and all(item.status is Status.WAITS for item in items):
        files = " and ".join(fault.file for fault in result.load_faults)
        return f"{files} {'do' if len(result.load_faults) > 1 else 'does'} not run, so nothing could be graded."
    if not items:
        return "No item was graded."
    if full == len(items):
        return "Full marks: everything that was asked for is right."
    unjudged = sum(item.status is Status.NOT_JUDGED for item in items)
    waiting = sum(item.status is Status.WAITS for item in items)
    inexact = sum(is_right_but_for_bits(item) for item in items)
    right = full + inexact
    some = sum(0 < item.score < item.max_score for item in items if item.status is not Status.NOT_JUDGED) - inexact
    wrong = len(items) - right - some - unjudged - waiting
    what = "items" if result.items else "follow-up questions"
    said = f"{right or 'none'} of {len(items)} {what} right".capitalize()
    said += f", {inexact} of them not bit for bit" if inexact else ""
    said += f", {some} partly right" if some else ""
    said += f", {wrong} wrong or missing" if wrong else ""
    waited_for = " and ".join(fault.file for fault in result.load_faults) or "something else"
    said += f", {waiting} wait{'s' * (waiting == 1)} for {waited_for}" if waiting else ""
    said += f", {unjudged} could not be judged" if unjudged else ""
    return f"{said}."


def _of_the_score(result: Result) -> str:
    """The verdict where items are not shown: of those that could not be judged it says how many."""
    if not result.judged:
        return f"{len(result.items) or 'Some'} of the items could not be judged; the score is that of the others."
    if result.full_marks:
        return "Full marks: everything that was asked for is right."
    if result.load_faults and not result.score:
        return f"{' and '.join(fault.file for fault in result.load_faults)} does not run."
    return "Not everything is right yet."


def withheld(result: Result) -> str:
    """What this copy does not show, by the exercise's setting; empty where it shows all that a learner may see."""
    if result.audience is Audience.INSTRUCTOR:
        return ""
    return {
        Feedback.SCORE: "This exercise shows the score alone.",
        Feedback.ITEMS: "This exercise shows the status and the points of each item, and not what was seen.",
        Feedback.EVIDENCE: "This exercise shows what was seen, and no hints.",
        Feedback.HINTS: "",
    }[result.feedback]


DOES_NOT_RUN: Final = "Does not run"
MOST_UNFOLDED: Final = 2  # items of a page that are shown whole; of more, the one to begin with


class Stop(NamedTuple):
    """Why a submission does not run, said once however many of its files that stops.

    Attributes:
        files: those that nothing can be asked of.
        headline: where, and what happened, in one line.
        line: the number of the line; 0 where none is known.
        excerpt: the line, with a caret below what it is about where that is known; empty where there is no line.
        came_from: the lines that led there, outermost first, where there are any.
    """

    files: tuple[str, ...]
    headline: str
    line: int
    excerpt: str
    came_from: tuple[str, ...]

    @property
    def waits(self) -> str:
        """What comes of it."""
        others = self.files[1:]
        too = f", and so does {', '.join(others)}, which needs it" if others else ""
        return f"What needs {self.files[0]} waits until it runs{too}. Nothing of that was asked."


def stops(result: Result) -> list[Stop]:
    """One for each reason that files of the submission do not run for."""
    faults: dict[LoadFault, list[str]] = {}
    for fault in result.load_faults:
        # A file that imports one that does not run fails at the same place.
        same = next(
            (
                other
                for other in faults
                if (fault.place is not None and other.place == fault.place) or other.reason == fault.reason
            ),
            fault,
        )
        faults.setdefault(same, []).append(fault.file)
    return [_stop(fault, tuple(files)) for fault, files in faults.items()]


def _stop(fault: LoadFault, files: tuple[str, ...]) -> Stop:
    place = fault.place
    if place is None:
        named = fault.file in fault.reason.split()
        return Stop(files, fault.reason if named else f"{fault.file}: {fault.reason}", 0, "", ())
    inside = f", in {place.function}" if place.function and not place.function.startswith("<") else ""
    is_named = place.named in fault.reason
    headline = fault.reason if is_named else f"{place.file}, line {place.line}{inside}: {fault.reason}"
    led = (f"{each.file}, line {each.line}: {each.source.strip()}" for each in fault.stack[:-1])
    once = tuple(each for each, _ in groupby(led))  # endless recursion is shown once
    return Stop(files, headline, place.line, _excerpt(place), once)


def _excerpt(place: Place) -> str:
    """The line without its indentation, and where it is known a caret below."""
    line = place.source.strip()
    if not line or place.column is None:
        return line
    before = place.source[: place.column - 1].lstrip()
    return f"{line}\n{' ' * terminal.width(before)}^"


def item_title(result: Result, id: str) -> str:
    """What an item is called; one that was not asked for says so, by its id where its title is not recorded."""
    asked = next((item.title for item in result.items if item.id == id), None)
    return f"{result.exercise.unasked.get(id, id)} (not asked for)" if asked is None else asked


def is_full(item: ItemResult | FollowUp) -> bool:
    """Whether nothing of the item is left to do."""
    return item.status is not Status.NOT_JUDGED and item.score >= item.max_score


def is_bug(item: ItemResult) -> bool:
    """Whether the item is a bug to fix: of those alone the bits are asked for."""
    return any(check.role is Role.EXACT for check in item.checks)


def is_right_but_for_bits(item: ItemResult | FollowUp) -> bool:
    """Whether all that is wrong with an item is that its results are not the solution's bit for bit."""
    wrong = [check for check in item.checks if check.outcome in _SEEN]
    return item.status is Status.FIXED and not is_full(item) and all(check.role is Role.EXACT for check in wrong)


def is_unbuilt(item: ItemResult | FollowUp) -> bool:
    """Whether the code says itself, of all that was asked, that it is not built."""
    return item.status is Status.NOT_BUILT and all(check.unbuilt for check in failing(item))


def tested(item: ItemResult | FollowUp) -> str:
    """How far the questions about an item went, in words; nothing of what is not built, which was not judged by any."""
    return "" if is_unbuilt(item) else words.scope(item.scope)


def shows_followups(result: Result) -> bool:
    """Whether follow-ups have a table: where one is begun, or was asked for by name. They are optional."""
    begun = (not is_unbuilt(each) and not waits_for_the_code(each) for each in result.followups)
    return any(begun) or any(each.id in result.asked.only for each in result.followups)


def passing(item: ItemResult | FollowUp) -> list[CheckResult]:
    """The checks that passed."""
    return [check for check in item.checks if check.outcome is Outcome.PASSED]


def waits_for_the_code(item: ItemResult | FollowUp) -> bool:
    """Whether nothing of an item could be judged because a file does not run: the report says so above."""
    return item.status is Status.WAITS and not any(check.blocked_by for check in item.checks)


def explained(parts: Sequence[ItemResult | FollowUp]) -> list[ItemResult | FollowUp]:
    """The parts of which there is more to say than that the code does not run."""
    return [part for part in parts if not waits_for_the_code(part)]


def failing(item: ItemResult | FollowUp) -> list[CheckResult]:
    """The checks that did not pass, those first that say most about what is wrong."""
    found = [check for check in item.checks if check.outcome is not Outcome.PASSED]
    still_in = isinstance(item, ItemResult) and item.status is Status.NOT_FIXED and item.lane is not Lane.BEHAVIOUR
    return sorted(found, key=partial(_telling, still_in=still_in))


def _telling(check: CheckResult, *, still_in: bool) -> tuple[int, bool]:
    """What was seen to go wrong comes before what could not be asked.

    Of a bug that is still in, what it is worth to fix comes first; otherwise what had worked before: a guard.
    """
    if check.unbuilt:
        return 1, False
    rank = 0 if check.outcome in _SEEN else 2 if check.outcome is Outcome.BLOCKED else 3
    return rank, (check.role is Role.GUARD) is still_in


def first_failing(item: ItemResult | FollowUp) -> CheckResult | None:
    """The check that says most about what is wrong, or None when all passed."""
    return next(iter(failing(item)), None)


def first_step(result: Result) -> ItemResult | None:
    """The item to begin with: the first that something was seen to be wrong with, and that waits for no other."""
    unfinished = [item for item in result.items if first_failing(item) is not None and not is_full(item)]
    unfinished = [item for item in unfinished if not is_right_but_for_bits(item)] or unfinished
    seen = [item for item in unfinished if failing(item)[0].outcome in _SEEN]
    return next(iter(seen or unfinished), None)


def unfolded(result: Result) -> tuple[str, ...]:
    """The items that a page shows whole: those that fall short, and of more than a few the one to begin with."""
    unfinished = tuple(item.id for item in result.items if not is_full(item))
    begin = first_step(result)
    return unfinished if len(unfinished) <= MOST_UNFOLDED or begin is None else (begin.id,)


def usual_causes(item: ItemResult | FollowUp) -> tuple[str, ...]:
    """What usually causes the failure that says most."""
    check = first_failing(item)
    return check.usual_causes if check is not None else ()


def what_was_seen(check: CheckResult) -> str:
    """One text on why the check did not pass: what was observed where that is known."""
    return check.counterexample.seen if check.counterexample else check.message


class Standing(NamedTuple):
    """One line on an item: words, and the ids of the items that it waits for."""

    text: str
    waits_for: tuple[str, ...] = ()


class Groups(NamedTuple):
    """The checks of an item: what was seen to be wrong one by one, and together what has one reason."""

    seen: list[CheckResult]
    unbuilt: list[CheckResult]
    blocked: list[CheckResult]
    passed: list[CheckResult]

    @property
    def unbuilt_parts(self) -> list[str]:
        """What the code says is not built yet, each once."""
        return list(dict.fromkeys(check.counterexample.seen for check in self.unbuilt if check.counterexample))


def groups(item: ItemResult | FollowUp) -> Groups:
    """The checks, the most telling first."""
    found = failing(item)
    blocked = [check for check in found if check.outcome is Outcome.BLOCKED]
    unbuilt = [check for check in found if check.unbuilt and check not in blocked]
    seen = [check for check in found if check not in blocked and check not in unbuilt]
    return Groups(seen, unbuilt, blocked, passing(item))


def standing(item: ItemResult) -> Standing:
    """The item in one line, with nothing in it that the first failing check says below."""
    found = groups(item)
    if item.status is Status.NOT_JUDGED:
        return Standing(item.summary)
    only_waits = item.status is Status.PARTLY and bool(found.blocked) and not found.seen and not found.unbuilt
    if item.status in (Status.FIXED, Status.BUILT) or only_waits:
        return _right(item, found)
    if found.seen:
        if item.status is Status.NOT_FIXED and item.lane is not Lane.BEHAVIOUR:
            return Standing(f"The bug is still in: {WITH_BUG[item.lane]}.")
        return Standing(f"{_passed(item)}.")
    if found.unbuilt:
        return Standing(f"{_passed(item)}; the rest is not built yet." if found.passed else "Not built yet.")
    if waits_for := blockers(found.blocked):
        return Standing("Not graded yet. First fix", waits_for)
    return Standing(item.summary)


def _right(item: ItemResult, found: Groups) -> Standing:
    if found.blocked and not found.seen:
        return Standing("All that could be checked is right. For the rest, first fix", blockers(found.blocked))
    compared = "" if item.lane is Lane.BEHAVIOUR else f" Compared number by number: {lane(item)}."
    return Standing(item.summary + compared)


def blockers(checks: list[CheckResult]) -> tuple[str, ...]:
    """The items that have to be right before these checks can be judged."""
    return tuple(dict.fromkeys(item for check in checks for item in check.blocked_by))


def _passed(item: ItemResult) -> str:
    return f"{len(passing(item)) or 'None'} of {len(item.checks)} checks passed"
