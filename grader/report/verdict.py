"""The verdict of a whole grade, and of each item, in one line."""

from grader.record import CheckResult, FollowUp, ItemResult, Outcome, Result, Role, Status

_SEEN = (Outcome.FAILED, Outcome.BROKEN, Outcome.TIMED_OUT)


def verdict(result: Result) -> str:
    """What came of the grade, in one sentence of plain words."""
    items = result.items or result.followups
    full = sum(is_full(item) for item in items)
    if not items:
        return "No item was graded."
    if full == len(items):
        return "Full marks: everything that was asked for is right."
    unjudged = sum(item.status is Status.NOT_JUDGED for item in items)
    inexact = sum(is_right_but_for_bits(item) for item in items)
    right = full + inexact
    some = sum(0 < item.score < item.max_score for item in items if item.status is not Status.NOT_JUDGED) - inexact
    wrong = len(items) - right - some - unjudged
    what = "items" if result.items else "follow-up questions"
    told = f"{right or 'none'} of {len(items)} {what} right".capitalize()
    told += f", {inexact} of them not bit for bit" if inexact else ""
    told += f", {some} partly right" if some else ""
    told += f", {wrong} wrong or missing" if wrong else ""
    told += f", {unjudged} could not be judged" if unjudged else ""
    return f"{told}."


def cannot_load(result: Result) -> list[str]:
    """A sentence for each file that cannot be imported."""
    return [f"{fault.file} cannot be loaded: {fault.reason}" for fault in result.load_faults]


def is_full(item: ItemResult | FollowUp) -> bool:
    """Whether nothing of the item is left to do."""
    return item.status is not Status.NOT_JUDGED and item.score >= item.max_score


def is_right_but_for_bits(item: ItemResult | FollowUp) -> bool:
    """Whether all that is wrong with an item is that its results are not the solution's bit for bit."""
    wrong = [check for check in item.checks if check.outcome in _SEEN]
    return item.status is Status.FIXED and not is_full(item) and all(check.role is Role.EXACT for check in wrong)


def is_unbuilt(item: ItemResult | FollowUp) -> bool:
    """Whether the code says itself, of all that was asked, that it is not built."""
    return item.status is Status.NOT_BUILT and all(check.unbuilt for check in failing(item))


def shows_followups(result: Result) -> bool:
    """Whether follow-ups have a table: where one is begun, or was asked for by name. Nobody has to build any."""
    return any(not is_unbuilt(each) or each.id in result.asked.only for each in result.followups)


def passing(item: ItemResult | FollowUp) -> list[CheckResult]:
    """The checks that passed."""
    return [check for check in item.checks if check.outcome is Outcome.PASSED]


def failing(item: ItemResult | FollowUp) -> list[CheckResult]:
    """The checks that did not pass, those first that say most about what is wrong."""
    found = [check for check in item.checks if check.outcome is not Outcome.PASSED]
    return sorted(found, key=_telling)


def _telling(check: CheckResult) -> tuple[int, bool]:
    """What was seen to go wrong is told before what could not be asked; first what had worked before: a guard."""
    if check.unbuilt:
        return 1, False
    rank = 0 if check.outcome in _SEEN else 2 if check.outcome is Outcome.BLOCKED else 3
    return rank, check.role is not Role.GUARD


def first_failing(item: ItemResult | FollowUp) -> CheckResult | None:
    """The check that says most about what is wrong, or None when all passed."""
    return next(iter(failing(item)), None)


def first_step(result: Result) -> ItemResult | None:
    """The item to begin with: the first that something was seen to be wrong with, and that waits for no other."""
    unfinished = [item for item in result.items if first_failing(item) is not None and not is_full(item)]
    unfinished = [item for item in unfinished if not is_right_but_for_bits(item)] or unfinished
    seen = [item for item in unfinished if failing(item)[0].outcome in _SEEN]
    return next(iter(seen or unfinished), None)


def usual_causes(item: ItemResult) -> tuple[str, ...]:
    """What usually causes the failure that says most."""
    check = first_failing(item)
    return check.usual_causes if check is not None else ()


def what_was_seen(check: CheckResult) -> str:
    """One text on why the check did not pass: what was observed where that is known."""
    return check.counterexample.seen if check.counterexample else check.message
