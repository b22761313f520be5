"""Each wrong solution fails the check meant for it, and is blamed on that check's item and on no other.

The solutions stand in ``wrong/``, one file a subject: the item, the check, and what of the reference is replaced.
"""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.exercise.model import Exercise
from grader.grading.session import Session
from grader.result.record import ItemResult, Outcome, Result, Role, Status

SUBJECTS = ("masking", "position", "projection", "training", "cache", "classifier", "sizes", "contract")
TABLES = {name: runpy.run_path(str(Path(__file__).with_name("wrong") / f"{name}.py"))["CASES"] for name in SUBJECTS}
TABLES["conditions"] = runpy.run_path(str(Path(__file__).with_name("wrong") / "sizes.py"))["CONDITIONS"]
# Asked beside the item at fault: those that share code with it. A model that cannot be called is asked nothing more.
ASKED = {
    "masking": ("masking", "position", "projection", "kv-cache"),
    "position": ("masking", "position", "projection", "classifier"),
    "projection": ("masking", "position", "projection"),
    "training-step": ("training-step", "classifier"),
    "kv-cache": ("masking", "kv-cache", "classifier"),
    "classifier": ("projection", "kv-cache", "classifier"),
}
# Of each item one; two of follow-ups stand in test_ragged.py and test_schemes.py.
SMOKE = {
    "masking-lets-three-ahead-through",
    "position-backwards",
    "projection-tied-to-the-embedding",
    "training-stepped-twice",
    "cache-positions-start-again",
    "classifier-trunk-detached",
}


# Long tables, of many cases that are alike: of each so many one is compared with its twin too. test_twins.py holds that
# twins charge nothing twice.
LONG = ("sizes", "contract")
FOURTH = 4


def solution(subject: str, number: int, name: str, case: tuple[object, ...]) -> object:
    """A wrong solution as a parameter, and whether it is compared with its twin."""
    name, has_twin = f"{subject}-{name}", subject not in LONG or number % FOURTH == 0
    return pytest.param(*case, has_twin, id=name, marks=[pytest.mark.smoke("wrong solution")] if name in SMOKE else [])


CASES = [
    solution(subject, number, name, case)
    for subject in TABLES
    for number, (name, case) in enumerate(TABLES[subject].items())
]
WIDER = runpy.run_path(str(Path(__file__).with_name("wrong") / "contract.py"))["WIDER"]  # what fails in other items too
FAILURES = (Outcome.FAILED, Outcome.BROKEN)


def is_cleared(item: ItemResult, culprit: str) -> bool:
    """Whether an item is credited, or what it is not credited for is put down to the culprit by name."""
    if item.status in (Status.FIXED, Status.BUILT):
        return item.score >= item.max_score - sum(c.max_score for c in item.checks if c.role is Role.EXACT)
    open_ = [check for check in item.checks if check.outcome is not Outcome.PASSED]
    return all(check.outcome is Outcome.BLOCKED and culprit in check.blocked_by for check in open_)


@pytest.mark.parametrize(("culprit", "check", "change", "has_twin"), CASES)
def test_it_is_caught_by_the_check_meant_for_it(
    culprit: str,
    check: str,
    change: dict[str, object],
    has_twin: bool,
    rewritten: Callable[..., dict[str, str]],
    grade_files: Callable[..., Result],
    twinless: Session,
    explained: bool,
) -> None:
    session = {} if has_twin else {"session": twinless}
    result = grade_files(rewritten(change), only=ASKED[culprit], explain=explained, **session)

    items = {item.id: item for item in result.items}
    assert_caught(items[culprit], check)
    assert [name for name, item in items.items() if name != culprit and not is_cleared(item, culprit)] == []


@pytest.mark.parametrize(("culprit", "check", "change"), WIDER.values(), ids=list(WIDER))
def test_what_breaks_more_than_one_item_is_caught_where_it_is_wrong(
    culprit: str,
    check: str,
    change: dict[str, object],
    rewritten: Callable[..., dict[str, str]],
    grade_files: Callable[..., Result],
) -> None:
    [item] = grade_files(rewritten(change), only=(culprit,)).items

    assert_caught(item, check)


@pytest.mark.parametrize("mode", ["eval", "training"])
def test_a_forward_that_leaves_the_model_in_another_mode_is_charged_once(
    mode: str, rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    *_, change = TABLES["contract"][f"forward-ends-in-{mode}-mode"]
    items = {item.id: item for item in grade_files(rewritten(change)).items}

    assert items["projection"].status is Status.PARTLY
    assert [name for name in items if name != "projection" and not is_cleared(items[name], "projection")] == []


def assert_caught(item: ItemResult, check: str) -> None:
    """The check has failed, and the item has lost points by it."""
    assert {found.id: found.outcome for found in item.checks}[check] in FAILURES
    assert item.status not in (Status.FIXED, Status.BUILT)
    assert item.score < item.max_score


def test_every_check_of_the_rubric_has_caught_something(exercise: Exercise) -> None:
    caught = {case[1] for table in TABLES.values() for case in table.values()}

    assert caught == {check for item in exercise.rubric.item for check in (*item.earns, *item.takes)}


def test_every_check_is_caught_for_its_own_item(exercise: Exercise) -> None:
    owner = {check: item.id for item in exercise.rubric.item for check in (*item.earns, *item.takes)}

    assert [
        (item, check) for table in TABLES.values() for item, check, _ in table.values() if owner[check] != item
    ] == []


def test_caches_that_share_a_store_are_no_small_matter(
    rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    """A sentence of the contract, and what beam search rests on. Of 20 points, one would say otherwise."""
    shared = TABLES["cache"]["room-that-continuations-share"][2]

    [item] = grade_files(rewritten(shared), only=("kv-cache",)).items

    assert 10 <= item.score <= 17
