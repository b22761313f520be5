"""Every subset of the bugs fixed, with and without each extension built, is told exactly for what it is."""

from collections.abc import Callable
from itertools import combinations, product

import pytest

from grader.exercise.model import Exercise
from grader.result.record import Lane, Result
from mutations.edit import splice

BUGS = ("masking", "position", "projection", "training-step")
EXTENSIONS = ("kv-cache", "classifier")


def subsets(names: tuple[str, ...]) -> list[frozenset[str]]:
    """All subsets, the smallest first."""
    return [frozenset(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size)]


CASES = list(product(subsets(BUGS), subsets(EXTENSIONS)))
# The starter, the reference, and each bug alone beside what is right.
SMOKE = [frozenset(), frozenset(BUGS + EXTENSIONS), *(frozenset(BUGS + EXTENSIONS) - {bug} for bug in BUGS)]


def name_of(case: tuple[frozenset[str], frozenset[str]]) -> str:
    """``fixed-masking+position-built-classifier``."""
    fixed, built = ("+".join(sorted(part)) or "nothing" for part in case)
    return f"fixed-{fixed}-built-{built}"


def assembled(exercise: Exercise, done: frozenset[str]) -> dict[str, str]:
    """The reference with the bugs and the stubs of every item left in that is not ``done``."""
    edits = [entry.edit for entry in (*exercise.key.bugs, *exercise.key.stubs) if entry.item not in done]
    return {
        name: splice(text, [edit for edit in edits if edit.file == name]) for name, text in exercise.reference.items()
    }


def marks(case: tuple[frozenset[str], frozenset[str]]) -> list[pytest.MarkDecorator]:
    return [pytest.mark.smoke("grade")] if case[0] | case[1] in SMOKE else []


@pytest.mark.parametrize("case", [pytest.param(case, id=name_of(case), marks=marks(case)) for case in CASES])
def test_what_is_done_is_credited_in_full_and_nothing_else(
    case: tuple[frozenset[str], frozenset[str]], exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    fixed, built = case
    done = fixed | built

    result = grade_files(assembled(exercise, done))

    expected = {name: ("fixed" if name in fixed else "not-fixed") for name in BUGS}
    expected |= {name: ("built" if name in built else "not-built") for name in EXTENSIONS}
    assert {item.id: item.status for item in result.items} == expected
    points = {item.id: item.max_score if item.id in done else 0 for item in result.items}
    assert {item.id: item.score for item in result.items} == points
    assert result.remaining_bugs == tuple(name for name in BUGS if name not in fixed)
    lanes = {item.id: item.lane for item in result.items if item.id in BUGS}
    assert lanes == dict.fromkeys(BUGS, Lane.BITWISE)


def test_what_waits_for_another_item_calls_it_by_its_title_and_records_its_id(
    exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    result = grade_files(exercise.variant(frozenset({"masking"})))
    waiting = [(item, check) for item in result.items for check in item.checks if check.blocked_by]

    assert waiting
    for item, check in waiting:
        assert check.blocked_by == ("masking",)
        assert check.message == "cannot be judged before this is fixed: Attention masking"
        assert item.summary == "All checks that could run passed; the others wait for Attention masking."


def test_the_64_are_64() -> None:
    assert len({name_of(case) for case in CASES}) == 64
