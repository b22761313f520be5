"""Seeds are the same for the same purpose, different for any other, and the grade's own is drawn in secret."""

from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.seeds import Seeds, draw_seed


@settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**53 - 1), st.text(max_size=5), st.lists(st.integers() | st.text(max_size=5), max_size=3))
def test_a_seed_is_62_bits_and_the_same_each_time(grade: int, submission: str, purpose: list[object]) -> None:
    seed = Seeds(grade, submission).derive(*purpose)

    assert 0 <= seed < 1 << 62
    assert seed == Seeds(grade, submission).derive(*purpose)


def test_grade_submission_and_purpose_each_change_the_seed() -> None:
    drawn = [
        Seeds(1, "a").derive("weights", 1),
        Seeds(2, "a").derive("weights", 1),
        Seeds(1, "b").derive("weights", 1),
        Seeds(1, "a").derive("weights", 2),
        Seeds(1, "a").derive("cases", 1),
        Seeds(1, "a").derive("weights"),
        Seeds(1, "a").derive(),
    ]

    assert len(drawn) == len(set(drawn))


def test_a_drawn_seed_fits_every_json_reader_and_is_never_the_same() -> None:
    seeds = [draw_seed() for _ in range(100)]

    assert all(0 <= seed < 1 << 53 for seed in seeds)
    assert all(a != b for a, b in combinations(seeds, 2))


@pytest.mark.parametrize("grade", [0, 2**53 - 1])
def test_the_ends_of_the_range_are_seeds_too(grade: int) -> None:
    assert Seeds(grade, "").derive("x") != Seeds(grade, "").derive("y")
