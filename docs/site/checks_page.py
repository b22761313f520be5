"""What docs/checks.md lists on the site: every check, those of the rubric in its order."""

from collections.abc import Iterator

from grader.checks.catalogue import BY_ID, CHECKS
from grader.exercise.model import Item, builtin_exercise
from grader.grading.scoring import exact_id, roles
from grader.report.words import number
from grader.result.record import Role

OTHERS = """
## Beyond the built-in exercise

For exercises with other bugs; the built-in one asks none of them.

| check | what holds |
| --- | --- |
"""


def tables() -> str:
    """A section for each item and follow-up, and the checks that the built-in exercise does not ask."""
    rubric = builtin_exercise().rubric
    items = (*rubric.item, *(each for each in rubric.followup if each.kind == "followup"))
    asked = {check for item in items for check in (*item.earns, *item.takes)}
    others = [f"| `{check.id}` | {check.title} |\n" for check in CHECKS if check.id not in asked]
    tests = "".join(_tests(item) for item in rubric.followup if item.kind == "tests")
    return "".join(_section(item) for item in items) + tests + OTHERS + "".join(others)


def _section(item: Item) -> str:
    what = f"Item `{item.id}`, {number(item.points)} points."
    if item.kind == "followup":
        what = f"Follow-up `{item.id}`, {number(item.points)} points beside those of the items."
    head = f"\n## {item.title}\n\n{what}\n\n| check | what holds | points |\n"
    return head + "| --- | --- | --- |\n" + "".join(f"| `{a}` | {b} | {c} |\n" for a, b, c in _rows(item))


def _tests(item: Item) -> str:
    kinds = ", ".join(f"{group} {weight}" for group, weight in item.mutants.items())
    worth = f"Follow-up `{item.id}`, {number(item.points)} points beside those of the items"
    return (
        f"\n## {item.title}\n\n{worth}: the share of planted bugs that the submission's own tests notice. The kinds "
        f"count: {kinds}. They have to pass on the package as it is, and on the same program in other words.\n"
    )


def _rows(item: Item) -> Iterator[tuple[str, str, str]]:
    for check, (role, points) in roles(item).items():
        worth = f"guard, up to -{number(points)}" if role is Role.GUARD else number(points)
        if check == exact_id(item):
            yield (
                check,
                "The results are identical to the solution's, bit for bit; rounding is charged once, at one item.",
                worth,
            )
        else:
            yield check, BY_ID[check].title, worth + (", essential" if check in item.essential else "")
