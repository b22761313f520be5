"""A search finds a failing case, shrinks it the same way each time, within a budget, and leaves no file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from msgspec import Struct

from grader.checks.check import CheckFailed
from grader.grading.search import Draws, ReferenceFailed, Search, search, search_sizes
from grader.limits import SHRINK_MAX_CASES
from grader.packages.trouble import PackageDied, PackageHung, PackageMisanswered, PackageRaised, Trouble
from grader.sandbox.questions import Raised
from grader.sizes import MODEL, Extent


class Case(Struct, frozen=True):
    """A few numbers."""

    numbers: tuple[int, ...]


CASES = st.lists(st.integers(0, 1000), max_size=8).map(lambda numbers: Case(tuple(numbers)))


def raised(kind: str) -> PackageRaised:
    return PackageRaised(Raised(type=kind, bases=(kind, "Exception"), message="", by_raise=True, traceback=""))


class Asked:
    """Asks a property, and remembers of which cases."""

    def __init__(self, wrong: Callable[[Case], bool], failure: Callable[[], Exception]) -> None:
        self.cases: list[Case] = []
        self._wrong = wrong
        self._failure = failure

    def __call__(self, case: Case) -> None:
        self.cases.append(case)
        if self._wrong(case):
            raise self._failure()


def counterexample() -> CheckFailed:
    return CheckFailed("kind", "claim", "seen")


def run(asked: Asked, *, seed: int = 1, examples: int = 100) -> Search:
    return search(CASES, asked, seed=seed, examples=examples)


def large(case: Case) -> bool:
    return any(number > 100 for number in case.numbers)


def test_a_failing_case_is_shrunk_to_the_smallest() -> None:
    found = run(Asked(large, counterexample))

    assert found.case == Case((101,))
    assert isinstance(found.failure, CheckFailed)


@pytest.mark.parametrize("seed", [0, 1, 2**62 - 1])
def test_one_seed_finds_one_result_three_times(seed: int) -> None:
    runs = [Asked(lambda case: sum(case.numbers) > 1500, counterexample) for _ in range(3)]
    found = [run(asked, seed=seed) for asked in runs]

    assert len({search.case for search in found}) == 1
    assert runs[0].cases == runs[1].cases == runs[2].cases


def test_another_seed_asks_other_cases() -> None:
    first, second = Asked(lambda _: False, counterexample), Asked(lambda _: False, counterexample)
    run(first, seed=1)
    run(second, seed=2)

    assert first.cases != second.cases


def test_where_no_case_fails_the_last_one_that_passed_is_kept() -> None:
    asked = Asked(lambda _: False, counterexample)
    found = run(asked, examples=10)

    assert found.failure is None
    assert found.case == asked.cases[-1]
    assert found.asked == len(asked.cases) <= 10


def test_no_case_is_asked_twice() -> None:
    asked = Asked(large, counterexample)
    found = run(asked)

    assert len(asked.cases) == len(set(asked.cases)) == found.asked


def test_shrinking_keeps_to_its_budget_and_reports_the_smallest_found_by_then() -> None:
    asked = Asked(lambda case: len(case.numbers) > 4 and sum(case.numbers) % 7 == 3, counterexample)
    found = run(asked, seed=3)
    first = next(i for i, case in enumerate(asked.cases) if len(case.numbers) > 4 and sum(case.numbers) % 7 == 3)

    assert len(asked.cases) <= first + 1 + SHRINK_MAX_CASES
    assert found.case in asked.cases
    assert sum(found.case.numbers) % 7 == 3
    assert found.failure is not None


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(PackageHung("no answer"), id="hung"),
        pytest.param(PackageDied("gone"), id="died"),
        pytest.param(raised("NotImplementedError"), id="not-built"),
    ],
)
def test_what_is_costly_or_pointless_to_shrink_stops_the_search_at_once(failure: Trouble) -> None:
    asked = Asked(large, lambda: failure)
    found = run(asked)

    assert failure is found.failure
    assert found.case == asked.cases[-1]
    assert [case for case in asked.cases if large(case)] == [asked.cases[-1]]


@pytest.mark.parametrize(
    "failure", [pytest.param(raised("KeyError"), id="raised"), pytest.param(PackageMisanswered("no"), id="misanswered")]
)
def test_a_package_that_raises_gives_the_smallest_case_too(failure: Trouble) -> None:
    found = run(Asked(large, lambda: failure))

    assert failure is found.failure
    assert found.case == Case((101,))


@pytest.mark.parametrize("failure", [PackageHung("no answer"), raised("KeyError")], ids=["hung", "raised"])
def test_a_failure_of_the_reference_is_not_the_candidates(failure: Trouble) -> None:
    failure.trusted = True

    with pytest.raises(ReferenceFailed, match=r"no answer|KeyError"):
        run(Asked(large, lambda: failure))


def test_hypothesis_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "storage"))
    run(Asked(large, counterexample))

    assert os.listdir(tmp_path) == []


def test_constants_of_the_source_code_at_hand_are_not_drawn() -> None:
    # Hypothesis would collect this number from this file, and draw it now and then.
    telling = 918_273_645
    drawn: list[Any] = []
    search(st.integers(), drawn.append, seed=1, examples=500)

    assert telling not in drawn


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda _: False, id="never"),
        pytest.param(large, id="soon"),
        pytest.param(lambda case: len(case.numbers) > 4 and sum(case.numbers) % 7 == 3, id="late"),
    ],
)
@pytest.mark.parametrize("shrink", [True, False])
def test_who_comes_after_others_is_asked_the_same_and_nothing_else_is_found(
    shrink: bool, wrong: Callable[[Case], bool]
) -> None:
    draws = Draws()
    search(CASES, Asked(lambda _: False, counterexample), seed=5, examples=100, draws=draws)
    first, later = Asked(wrong, counterexample), Asked(wrong, counterexample)
    alone = search(CASES, first, seed=5, examples=100, shrink=shrink)
    after = search(CASES, later, seed=5, examples=100, shrink=shrink, draws=draws)

    assert draws.known(CASES, 5, 100)
    assert later.cases == first.cases
    assert (after.case, str(after.failure), after.asked) == (alone.case, str(alone.failure), alone.asked)


def test_what_a_failing_candidate_was_asked_is_not_taken_for_all_there_is() -> None:
    draws = Draws()
    search(CASES, Asked(large, counterexample), seed=5, examples=100, draws=draws)

    assert draws.known(CASES, 5, 100) is None


def test_only_so_many_searches_are_remembered() -> None:
    draws = Draws()
    for seed in range(Draws.MOST + 1):
        draws.remember(CASES, seed, 1, [])

    assert draws.known(CASES, 0, 1) is None
    assert draws.known(CASES, 1, 1) == []


WIDE = Extent(tokens=90, rows=20, layers=5, width=40, words=99, steps=300, draw=3)


def sized(extent: Extent) -> Case:
    """The sizes of an extent as a case."""
    return Case((extent.tokens, extent.rows, extent.layers, extent.width, extent.words))


def test_sizes_are_taken_down_to_the_smallest_that_fails() -> None:
    asked = Asked(lambda case: case.numbers[0] > 32 and case.numbers[2] >= 4, counterexample)

    found = search_sizes(sized, [MODEL, WIDE], asked)

    assert found.case == Case((33, 1, 4, 4, 3))
    assert found.failure is not None
    assert found.asked == len(asked.cases) <= SHRINK_MAX_CASES + 2


def test_sizes_that_all_pass_are_asked_once_each() -> None:
    asked = Asked(lambda _: False, counterexample)

    found = search_sizes(sized, [MODEL, WIDE], asked)

    assert (found.failure, found.case) == (None, sized(WIDE))
    assert asked.cases == [sized(MODEL), sized(WIDE)]


def test_sizes_are_not_taken_down_where_nobody_wants_to_know() -> None:
    asked = Asked(lambda case: case.numbers[0] > 40, counterexample)

    found = search_sizes(sized, [MODEL, WIDE], asked, shrink=False)

    assert found.case == sized(WIDE)
    assert len(asked.cases) == 2


def test_a_smaller_case_that_fails_otherwise_is_another_failure() -> None:
    def ask(case: Case) -> None:
        raise CheckFailed("leak" if case.numbers[0] > 32 else "shape", "claim", "seen")

    found = search_sizes(sized, [WIDE], ask)

    assert found.failure is not None
    assert found.failure.kind == "leak"
    assert found.case == Case((33, 1, 1, 4, 3))


def test_a_size_that_kills_the_package_is_not_tried_again() -> None:
    asked = Asked(lambda case: case.numbers[0] > 40, lambda: PackageDied("killed"))

    found = search_sizes(sized, [WIDE], asked)

    assert isinstance(found.failure, PackageDied)
    assert asked.cases == [sized(WIDE)]
