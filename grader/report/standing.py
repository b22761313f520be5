"""Where an item stands, and its checks in the groups in which they are read."""

from typing import NamedTuple

from grader.report.verdict import failing, passing
from grader.report.words import WITH_BUG, lane
from grader.result.record import CheckResult, FollowUp, ItemResult, Lane, Outcome, Status


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
