"""The rubric of a generated exercise, an item for each bug, and what key.json says of each edit."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from grader import __version__
from grader.checks.catalogue import of_family
from grader.checks.check import Check
from grader.comparisons.catalogue import EVERY
from grader.exercise.key import Certificate, PlantedBug, Row, Stub
from grader.exercise.model import FORWARD, Item, Rubric
from grader.grading.attribution import FINITE
from grader.injection.choose import Chosen, Sources, difficulty
from grader.injection.observe import Observation
from grader.sandbox.client import Launcher
from mutations.edit import Rewritten
from mutations.gaps import Gap
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


def bug_entry(item: str, bug: Chosen, others: Sequence[Observation]) -> PlantedBug:
    """A bug of an item, beside the others of the exercise."""
    edit, of = bug.mutant.edit, bug.mutant.operator
    honest = edit.honest if isinstance(edit, Rewritten) else UNSET
    return PlantedBug(
        item=item,
        file=edit.file,
        span=(edit.start, edit.end),
        before=edit.before,
        after=edit.after,
        operator=of.id,
        category=of.category.value,
        hints=(of.hints.symptom, of.hints.area, of.hints.mechanism),
        shows_in=bug.seen.shows_in,
        killed_by=bug.seen.killed_by,
        effect=float(f"{bug.seen.effect:.3g}"),
        difficulty=difficulty(of, bug.seen, others),
        honest=honest,
    )


def stub_entry(gap: Gap) -> Stub:
    """A function that the starter leaves to be built."""
    edit = gap.edit
    return Stub(item=gap.item, file=edit.file, span=(edit.start, edit.end), before=edit.before, after=edit.after)


def hashes(reference: Sources) -> dict[str, str]:
    """SHA-256 of each file, by which it is known whether the edits still fit."""
    return {file: hashlib.sha256(text.encode()).hexdigest() for file, text in reference.items()}


def certificate(
    launcher: Launcher, seeds: Sequence[int], rows: Sequence[Row], repaired: Row | None = None
) -> Certificate:
    """The proof, and with what it was made."""
    started = launcher.started
    return Certificate(
        grader=__version__,
        torch=started.torch,
        cpu=started.cpu,
        seeds=tuple(seeds),
        rows=tuple(rows),
        repaired=UNSET if repaired is None else repaired,
    )
