"""Sizes beyond the defaults are drawn: past each of them, no two grades alike, and larger in a thorough grade."""

import pytest
from msgspec.structs import asdict

from grader.sizes import MODEL, RUN, SHRUNK, Extent, at_most, extents

SEEDS = range(60)
PAST = {"tokens": 32, "rows": 16, "layers": 4, "width": 32, "words": 64, "classes": 3, "steps": 200}


def beyond(seed: int, *, thorough: bool = False) -> list[Extent]:
    return list(extents(None, seed, thorough=thorough))


@pytest.mark.parametrize("default", [MODEL, RUN])
def test_the_defaults_come_first_and_then_what_is_beyond_them(default: Extent) -> None:
    first, *others = extents(default, 1, thorough=False)

    assert first == default
    assert others == beyond(1)


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("name", SHRUNK)
def test_every_size_is_past_its_default_in_every_grade(name: str, thorough: bool) -> None:
    sizes = [asdict(extent)[name] for seed in SEEDS for extent in beyond(seed, thorough=thorough)]

    assert min(sizes) > PAST[name]


@pytest.mark.parametrize("name", ["tokens", "rows", "width", "words", "steps"])
def test_no_constant_can_name_the_sizes_of_the_next_grade(name: str) -> None:
    sizes = [asdict(extent)[name] for seed in SEEDS for extent in beyond(seed)]

    assert len(set(sizes)) > 4
    assert not [size for size in sizes if size % 8 == 0]


def test_the_same_seed_draws_the_same_sizes() -> None:
    assert [beyond(seed) for seed in SEEDS] == [beyond(seed) for seed in SEEDS]
    assert len({extent.draw for seed in SEEDS for extent in beyond(seed)}) == len(SEEDS)


@pytest.mark.parametrize("name", SHRUNK)
def test_a_thorough_grade_asks_larger_ones(name: str) -> None:
    usual = max(asdict(extent)[name] for seed in SEEDS for extent in beyond(seed))
    thorough = [asdict(extent)[name] for seed in SEEDS for extent in beyond(seed, thorough=True)]

    assert max(thorough) > usual
    assert len(thorough) == 3 * len(SEEDS)


def test_a_limit_makes_nothing_larger() -> None:
    limited = at_most(MODEL, rows=2, layers=9)

    assert (limited.rows, limited.layers, limited.tokens) == (2, MODEL.layers, MODEL.tokens)
