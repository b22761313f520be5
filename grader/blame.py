"""Whose failure a failure is, where the lattice has no exact answer.

Checks name what they need: without a forward that runs there is no order to judge, and a cache built over a
mask that is wrong in a way nobody planted has nothing to agree with. A failure then belongs to the item
that owns what is needed.
"""

from collections.abc import Iterable
from dataclasses import replace

from grader import rubric
from grader.checks.catalogue import BY_ID
from grader.comparison import Comparison
from grader.exercise import Item
from grader.record import Outcome
from grader.rubric import Verdict


def blame(items: Iterable[Item], verdicts: dict[str, Verdict], comparison: Comparison) -> dict[str, Verdict]:
    """The verdicts, with those blocked whose failure is another item's."""
    items = list(items)
    owner = {check: item.id for item in items for check in (*item.earns, *item.takes)}
    failed = {check for check in owner if check in verdicts and verdicts[check].outcome in rubric.FAILURES}
    judged = dict(verdicts)
    for check in failed:
        if verdicts[check].unbuilt:
            continue
        # A need whose item has an exact answer was told apart by the variants already.
        needed = [
            need
            for need in BY_ID[check].needs
            if need in failed and owner[need] != owner[check] and not comparison.is_exact(owner[need])
        ]
        if needed:
            reason = f"cannot be told before this holds: {BY_ID[needed[0]].title}"
            judged[check] = blocked(verdicts[check], {owner[need] for need in needed}, reason)
    failed = {check for check in failed if judged[check].outcome in rubric.FAILURES}
    for item in items:
        exact = verdicts.get(rubric.exact_id(item))
        if exact is None or exact.outcome not in rubric.FAILURES or comparison.is_exact(item.id):
            continue
        at_fault = {owner[check] for check in failed} & comparison.sharing(item.id)
        if at_fault and item.id not in at_fault:
            titles = " and ".join(other.title for other in items if other.id in at_fault)
            judged[rubric.exact_id(item)] = blocked(
                exact, at_fault, f"cannot be told while this is not right: {titles}"
            )
    return judged


def blocked(verdict: Verdict, blockers: Iterable[str], message: str) -> Verdict:
    """The same verdict, blocked by these items."""
    names = tuple(sorted(blockers))
    return replace(verdict, outcome=Outcome.BLOCKED, blocked_by=names, message=message, counterexample=None)
