"""The rubric of a generated exercise: an item for each bug, told by the checks that were measured to see it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from grader.checks.catalogue import of_family
from grader.checks.check import Check
from grader.comparisons.catalogue import EVERY
from grader.exercise.model import FORWARD, Item, Rubric
from grader.grading.attribution import FINITE
from grader.injection.observe import Observation
from mutations.operator import Category

TOTAL: Final = 100
EXACT_SHARE: Final = 0.2  # of a bug's points, for being identical to the reference
EARNERS: Final = 4  # checks that earn points in an item, at most
OWN_WEIGHT: Final = 2  # a check made for the category weighs as much as two others
GUARD_SHARE: Final = 0.5  # of a bug's points, that failing a guard takes


def rubric(
    exercise_id: str,
    title: str,
    bugs: Sequence[tuple[Category, Observation]],
    extensions: Iterable[Item],
    checks: Sequence[Check],
) -> Rubric:
    """The rubric for these bugs, in this order, and these extensions to build.

    Args:
        checks: those that can be asked while the extensions are not built.
    """
    extensions = tuple(extensions)
    shares = split(TOTAL - sum(item.points for item in extensions), [1.0] * len(bugs))
    failing = {check for _, seen in bugs for check in seen.killed_by}
    items = [
        _bug_item(number, [check.id for check in of_family(category, checks)], seen, points, failing)
        for number, ((category, seen), points) in enumerate(zip(bugs, shares, strict=True), start=1)
    ]
    if FINITE in (check.id for check in checks):
        items = _answering_for_numbers(items, bugs)
    return Rubric(
        id=exercise_id, title=title, comparisons=comparisons(seen for _, seen in bugs), item=(*items, *extensions)
    )


def comparisons(seen: Iterable[Observation]) -> tuple[str, ...]:
    """The comparisons to compare by: for each bug the first that it shows in."""
    needed = {
        next(comparison.id for comparison in EVERY if comparison.id in observation.shows_in) for observation in seen
    }
    return tuple(comparison.id for comparison in EVERY if comparison.id in needed)


def _bug_item(number: int, own: Sequence[str], seen: Observation, points: float, failing: Collection[str]) -> Item:
    """An item that does not say what it is about: finding that out is the exercise."""
    killers = sorted(seen.killed_by, key=lambda check: check not in own)[:EARNERS]
    exact = round(points * EXACT_SHARE)
    weights = [OWN_WEIGHT if check in own else 1 for check in killers]
    return Item(
        id=f"bug-{number}",
        title=f"Bug {number}",
        kind="bug",
        points=points,
        exact=exact,
        earns=dict(zip(killers, split(points - exact, weights), strict=True)),
        takes={check: round(points * GUARD_SHARE) for check in own if check not in {FINITE, *failing}},
    )


def _answering_for_numbers(items: list[Item], bugs: Sequence[tuple[Category, Observation]]) -> list[Item]:
    """The items, one of which answers for logits that are not finite: that of a mask, or else the first that shows in
    them. Where a bug is that itself, it is no guard."""
    if any(FINITE in seen.killed_by for _, seen in bugs):
        return items
    masks = [number for number, (category, _) in enumerate(bugs) if category is Category.MASKING]
    others = [number for number, (_, seen) in enumerate(bugs) if FORWARD in seen.shows_in]
    return [
        replace(item, takes={FINITE: round(item.points * GUARD_SHARE)} | item.takes)
        if [number] == (masks + others)[:1]
        else item
        for number, item in enumerate(items)
    ]


def split(points: float, weights: Sequence[float]) -> list[float]:
    """Whole points in proportion to the weights; what rounding leaves over goes to the first."""
    total = sum(weights)
    shares = [float(int(points * weight / total)) for weight in weights]
    for i in range(int(points - sum(shares))):
        shares[i % len(shares)] += 1
    return shares
