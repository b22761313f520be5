"""From the verdicts of checks to the points and the status of an item.

Fail closed: an item lists its checks, and one without a passing verdict earns nothing. A check that is
blocked leaves the denominator. Exactness that is blocked earns nothing: where no variant agrees, nothing known explains
why the bits differ, and one item that is wrong must not earn another what it would not have alone. A check that could
not be judged makes the whole item not judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from grader.exercise.model import Item
from grader.result.record import Counterexample, Outcome, Role, Status

FAILURES = frozenset({Outcome.FAILED, Outcome.BROKEN, Outcome.TIMED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one check."""

    outcome: Outcome
    message: str = ""
    counterexample: Counterexample | None = None
    blocked_by: tuple[str, ...] = ()
    examples: int = 0
    seconds: float = 0.0
    output: str = ""
    unbuilt: bool = False  # the code says itself that it is not built yet
    unexplained: bool = False  # of exactness: other results, by no known bug and by more than rounding
    rounding: bool = False  # of exactness: right in float64, and other bits by another order of operations alone
    answered: bool = False  # it failed on answers of the right shape: they came, and were wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """An item's points, and what each check contributed: earned and possible."""

    status: Status
    score: float
    max_score: float
    summary: str
    parts: dict[str, tuple[float, float]] = field(default_factory=dict)


def roles(item: Item) -> dict[str, tuple[Role, float]]:
    """Each check of an item with its role and its points; the exactness check is ``exact:<item>``."""
    listed = {check: (Role.EARNS, points) for check, points in item.earns.items()}
    listed |= {check: (Role.GUARD, points) for check, points in item.takes.items()}
    if item.exact:
        listed[exact_id(item)] = (Role.EXACT, item.exact)
    return listed


def exact_id(item: Item) -> str:
    """The id of the check that earns an item's points for exactness."""
    return f"{item.id}-is-exact"


def score(
    item: Item, verdicts: Mapping[str, Verdict], *, bug_left: bool, titles: Mapping[str, str] | None = None
) -> Scored:
    """Points and status of an item.

    Args:
        verdicts: one for each check of ``roles(item)``; a missing one counts as failed.
        bug_left: whether comparing with the variants says that this item's bug is still in, whatever single checks say.
        titles: of all items, by id, for what is said of those that block this one; without a title its id will do.
    """
    missing = Verdict(outcome=Outcome.FAILED, message="no answer")
    all_roles = roles(item)
    outcomes = {check: verdicts.get(check, missing).outcome for check in all_roles}
    if Outcome.NOT_JUDGED in outcomes.values():
        return Scored(status=Status.NOT_JUDGED, score=0, max_score=0, summary="The grader could not judge this item.")

    positive = {check: points for check, (role, points) in all_roles.items() if role is not Role.GUARD}
    # What waits for another item leaves the denominator. What waits because the code does not run stays in it.
    waits_for_others = {check for check in positive if _waits_for_others(verdicts.get(check, missing))}
    open_points = sum(points for check, points in positive.items() if check not in waits_for_others)
    is_blocked_bits = item.exact if outcomes.get(exact_id(item)) is Outcome.BLOCKED else 0
    is_blocked = any(outcomes.get(check) is Outcome.BLOCKED for check in item.core)
    void = bug_left or is_blocked or any(outcomes.get(check) is not Outcome.PASSED for check in item.essential)
    # Of an item whose guards could not all be asked, what was asked says nothing about the rest.
    unguarded = any(outcomes[check] is Outcome.BLOCKED for check in item.takes)
    share = 1.0 if unguarded or not open_points else (item.points - is_blocked_bits) / open_points
    factor = 0.0 if void else share
    parts: dict[str, tuple[float, float]] = {}
    for check, (role, points) in all_roles.items():
        if role is Role.GUARD:
            parts[check] = (0.0, round(points, 2))
        else:
            earned = points * factor if outcomes[check] is Outcome.PASSED else 0.0
            parts[check] = (round(earned, 2), round(points, 2))
    earned = sum(points * factor for check, points in positive.items() if outcomes[check] is Outcome.PASSED)
    taken = sum(points for check, points in item.takes.items() if outcomes[check] in FAILURES)
    unexplained = _is_unexplained(item, outcomes, verdicts)
    taken += item.unexplained if unexplained else 0.0
    total = round(max(0.0, earned - taken), 2)
    # What is right as far as it could be asked is not all right, where points are lost to what could not.
    short = unguarded and bool(waits_for_others.intersection(item.earns))
    status = _status(item, outcomes, verdicts, total, bug_left=bug_left, short=short or unexplained)
    return Scored(
        status=status,
        score=total,
        max_score=item.points,
        summary=_summary(item, status, outcomes, verdicts, titles or {}, bug_left=bug_left),
        parts=parts,
    )


def _waits_for_others(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.BLOCKED and bool(verdict.blocked_by)


def _waits_for_the_code(verdict: Verdict) -> bool:
    """Whether nothing could be judged because a file of the submission does not run."""
    return verdict.outcome is Outcome.BLOCKED and not verdict.blocked_by


def _is_unexplained(item: Item, outcomes: Mapping[str, Outcome], verdicts: Mapping[str, Verdict]) -> bool:
    """Whether an item's results are others than the reference's, and nothing that is known says why."""
    exact = exact_id(item)
    return outcomes.get(exact) in FAILURES and exact in verdicts and verdicts[exact].unexplained


def _status(
    item: Item,
    outcomes: Mapping[str, Outcome],
    verdicts: Mapping[str, Verdict],
    total: float,
    *,
    bug_left: bool,
    short: bool,
) -> Status:
    if total == 0:
        return _status_without_points(item, outcomes, verdicts, bug_left=bug_left)
    required = [outcomes[check] for check in (*item.earns, *item.takes)]
    if short or any(outcome in FAILURES for outcome in required):
        return Status.PARTLY
    if total < item.points and any(_waits_for_the_code(verdicts.get(check, _NONE)) for check in outcomes):
        return Status.PARTLY
    return Status.FIXED if item.kind == "bug" else Status.BUILT


def _status_without_points(
    item: Item, outcomes: Mapping[str, Outcome], verdicts: Mapping[str, Verdict], *, bug_left: bool
) -> Status:
    # Of a follow-up nothing more is asked where an essential check does not hold.
    asked = {check for check in outcomes if check in verdicts or item.kind != "followup"}
    missed = {check for check in asked if outcomes[check] is not Outcome.PASSED}
    if missed and not bug_left and all(outcomes[check] is Outcome.BLOCKED for check in missed):
        return Status.WAITS
    if item.kind == "bug":
        return Status.NOT_FIXED
    # What says itself that it is not built is believed; of the rest at least a part is there, and wrong.
    unbuilt = {check for check in missed if verdicts.get(check, _NONE).unbuilt}
    failed = {check for check in missed if outcomes[check] in FAILURES}
    said = unbuilt.intersection(item.essential) or (unbuilt and failed <= unbuilt)
    return Status.NOT_BUILT if said else Status.WRONG


def _blockers(outcomes: Iterable[str], verdicts: Mapping[str, Verdict]) -> list[str]:
    """The ids of the items that block some of these checks."""
    return sorted({name for check in outcomes for name in verdicts.get(check, _NONE).blocked_by})


_PASSED_AND_WAIT = "All checks that could run passed; the others wait for"


def _summary(
    item: Item,
    status: Status,
    outcomes: dict[str, Outcome],
    verdicts: Mapping[str, Verdict],
    titles: Mapping[str, str],
    *,
    bug_left: bool,
) -> str:
    """One sentence."""
    failed = [check for check in (*item.earns, *item.takes) if outcomes[check] in FAILURES]
    blockers = [titles.get(name, name) for name in _blockers(outcomes, verdicts)]
    if status in (Status.FIXED, Status.BUILT):
        exact = outcomes.get(exact_id(item), Outcome.PASSED)
        if exact in FAILURES:
            return "It behaves as it should, but its results are not the reference's bit for bit."
        verdict = verdicts.get(exact_id(item), _NONE)
        note = verdict.message if verdict.rounding else ""
        passed = f"{_PASSED_AND_WAIT} {_list(blockers)}" if blockers else "All its checks passed"
        return f"{passed}{f'; {note}' if note else ''}."
    if bug_left:
        seen = verdicts[exact_id(item)].message if exact_id(item) in verdicts else ""
        return f"The bug is still in: {seen or 'the results are exactly those of the code with this bug'}."
    if not failed and _is_unexplained(item, outcomes, verdicts):
        return f"All checks passed, but the results differ from the solution's: {verdicts[exact_id(item)].message}"
    if status is Status.WAITS and not blockers:
        in_order = (verdicts[check] for check in outcomes if check in verdicts)
        return f"It {next(verdict.message for verdict in in_order if _waits_for_the_code(verdict))}."
    if failed and status is not Status.WAITS:
        message = verdicts[failed[0]].message if failed[0] in verdicts else "no answer"
        return f"{len(failed)} of {len(item.earns) + len(item.takes)} checks failed; the first says: {message}"
    if blockers and status is Status.PARTLY:
        return f"{_PASSED_AND_WAIT} {_list(blockers)}."
    if blockers:
        return f"Not graded yet: first fix {_list(blockers)}."
    return "No check that earns points passed."


def _list(names: list[str]) -> str:
    return ", ".join(names)


_NONE = Verdict(outcome=Outcome.FAILED)
