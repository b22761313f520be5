"""Whose failure a failure is, where no variant agrees exactly.

Checks name what they need: without a forward that runs there is no order to judge, and a cache built over a
mask that is wrong in a way that is no known bug has nothing to agree with. A failure then belongs to the item
that owns what is needed.

A forward that does not run explains an answer that is missing or has no shape to judge. It does not explain a
wrong one: else breaking forward for some sizes would excuse whatever else is wrong.

Variants tell apart what needs a bug fixed. None of them has an extension built wrongly, so that what needs one is
never separated by them, however exact the model is.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from grader.checks.catalogue import BY_ID, CHECKS
from grader.checks.check import Check
from grader.exercise.model import FORWARD, Item
from grader.grading import scoring as rubric
from grader.grading.diagnosis import Diagnosis
from grader.grading.scoring import Verdict
from grader.result.record import Outcome

RUNS: Final = "forward-runs"
FINITE: Final = "logits-are-finite"


def _needs_a_forward(check: Check) -> bool:
    return any(need.id == RUNS or _needs_a_forward(need) for need in check.needs)


WAIT_FOR_NUMBERS: Final = frozenset(c.id for c in CHECKS if c.id != FINITE and _needs_a_forward(c))
"""What needs a forward pass needs numbers from it: NaN is no leak, nothing that stays the same, and no other number."""

Verdicts = dict[str, dict[str, Verdict]]
"""By item, then by check."""


def blame(
    items: Iterable[Item],
    verdicts: Mapping[str, Mapping[str, Verdict]],
    diagnosis: Diagnosis,
    not_finite: str | None = None,
) -> Verdicts:
    """The verdicts, with those blocked whose failure is another item's.

    Args:
        not_finite: the item that answers for logits that are not finite, where they are not.
    """
    items = list(items)
    if not_finite is not None:
        verdicts = {item.id: _without_numbers(item, verdicts[item.id], diagnosis, not_finite) for item in items}
    judged = {item: dict(of_item) for item, of_item in verdicts.items()}
    failing = _failing(items, judged)
    told_apart = {item.id for item in items if item.kind == "bug" and _is_told(item.id, failing, diagnosis)}
    for item in items:
        for check in failing[item.id]:
            causes = _causes(item.id, check, verdicts, failing, told_apart)
            if causes:
                reason = f"cannot be judged before this check passes: {BY_ID[next(iter(causes))].title}"
                judged[item.id][check] = blocked(verdicts[item.id][check], set().union(*causes.values()), reason)
    failing = _failing(items, judged)
    for item in items:
        exact = verdicts[item.id].get(rubric.exact_id(item))
        if exact is None or exact.outcome not in rubric.FAILURES:
            continue
        if diagnosis.is_exact(item.id) and not exact.unexplained:
            continue
        at_fault = {other for other, failed in failing.items() if failed} & diagnosis.sharing(item.id)
        if at_fault and item.id not in at_fault:
            titles = " and ".join(other.title for other in items if other.id in at_fault)
            judged[item.id][rubric.exact_id(item)] = blocked(
                exact, at_fault, f"cannot be judged while this is not right: {titles}"
            )
    _charge_once(items, judged, failing, diagnosis)
    return judged


def _charge_once(
    items: Iterable[Item], judged: Verdicts, failing: Mapping[str, list[str]], diagnosis: Diagnosis
) -> None:
    """Leave one cause one charge: what shows in the code of a module shows in every item that runs that code.

    Of the items that differ by rounding, the first is charged that has nothing else wrong, and so points to lose.
    """
    rounded = [item for item in items if (exact := judged[item.id].get(rubric.exact_id(item))) and exact.rounding]
    charged: list[Item] = []
    for item in sorted(rounded, key=lambda item: (len(diagnosis.shown_by(item.id)), bool(failing[item.id]))):
        earlier = [other for other in charged if diagnosis.shown_by(other.id) <= diagnosis.shown_by(item.id)]
        if not earlier:
            charged.append(item)
            continue
        exact = judged[item.id][rubric.exact_id(item)]
        if exact.outcome is Outcome.FAILED:
            judged[item.id][rubric.exact_id(item)] = replace(
                exact,
                outcome=Outcome.PASSED,
                message=f"right up to rounding; the points for that are taken once, at {earlier[0].title}",
                counterexample=None,
            )


def _without_numbers(
    item: Item, verdicts: Mapping[str, Verdict], diagnosis: Diagnosis, owner: str
) -> dict[str, Verdict]:
    """The verdicts of an item, with those blocked that rest on numbers, whether they passed or failed."""
    reason = f"cannot be judged before this check passes: {BY_ID[FINITE].title}"
    waiting = set(WAIT_FOR_NUMBERS)
    if item.id != owner and FORWARD in diagnosis.exercise.comparisons_of(item.id) and diagnosis.model_bugs is None:
        waiting.add(rubric.exact_id(item))
    return {
        check: blocked(verdict, [owner], reason)
        if check in waiting and verdict.outcome in (Outcome.PASSED, Outcome.FAILED) and not verdict.unbuilt
        else verdict
        for check, verdict in verdicts.items()
    }


def _causes(
    item: str,
    check: str,
    verdicts: Mapping[str, Mapping[str, Verdict]],
    failing: Mapping[str, list[str]],
    told_apart: Collection[str],
) -> dict[str, set[str]]:
    """By check that has to hold first, the items that fail it: none where the failure is the item's own.

    Only root causes are named: a cause that is itself blocked is replaced by what blocks it.

    Args:
        told_apart: the items of bugs that have an exact answer: the variants have judged what needs them already.
    """
    verdict = verdicts[item][check]
    if verdict.unbuilt:
        return {}
    found: dict[str, set[str]] = {}
    for need in (needed.id for needed in BY_ID[check].needs):
        if need == RUNS and verdict.answered:
            continue
        behind: dict[str, set[str]] = {}
        for other, failed in failing.items():
            if need in failed and other not in told_apart:
                deeper = _causes(other, need, verdicts, failing, told_apart)
                for cause, owners in (deeper or {need: {other}}).items():
                    behind.setdefault(cause, set()).update(owners)
        if not any(item in owners for owners in behind.values()):
            for cause, owners in behind.items():
                found.setdefault(cause, set()).update(owners)
    return found


def _is_told(item: str, failing: Mapping[str, list[str]], diagnosis: Diagnosis) -> bool:
    """Whether the variants say all there is to say of a bug: not of a solution that agrees with one that is free of it,
    and fails all the same, at sizes that nothing was compared at."""
    return diagnosis.is_exact(item) and (item in diagnosis.bugs or not failing[item])


def _failing(items: Iterable[Item], verdicts: Verdicts) -> dict[str, list[str]]:
    """By item, its checks that failed; whether it is exact is no check."""
    return {
        item.id: [
            check
            for check in (*item.earns, *item.takes)
            if check in verdicts[item.id] and verdicts[item.id][check].outcome in rubric.FAILURES
        ]
        for item in items
    }


def blocked(verdict: Verdict, blockers: Iterable[str], message: str) -> Verdict:
    """The same verdict, blocked by these items."""
    names = tuple(sorted(blockers))
    return replace(verdict, outcome=Outcome.BLOCKED, blocked_by=names, message=message, counterexample=None)
