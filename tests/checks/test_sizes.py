"""Sizes beyond the defaults are drawn: past each of them, no two grades alike, and larger in a thorough grade."""

import numpy as np
import pytest
from msgspec.structs import asdict

from grader.checks.strategies import model_case
from grader.sizes import LEAST, MODEL, RUN, SHRUNK, Extent, at_most, extents, largest

SEEDS = range(60)
PAST = {"tokens": 32, "room": 65, "rows": 16, "layers": 4, "width": 32, "words": 64, "classes": 3, "steps": 200}


def beyond(seed: int, *, thorough: bool = False) -> list[Extent]:
    return list(extents(None, seed, thorough=thorough))


@pytest.mark.parametrize("default", [MODEL, RUN])
def test_the_defaults_come_first_and_then_what_is_beyond_them(default: Extent) -> None:
    first, between, *others = extents(default, 1, thorough=False)

    assert first == default
    assert all(
        asdict(LEAST)[name] < asdict(between)[name] <= asdict(MODEL)[name] for name in ("tokens", "rows", "width")
    )
    assert len(others) == len(beyond(1)) == 1
    assert all(asdict(others[0])[name] > PAST[name] for name in SHRUNK)


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


def test_a_text_fills_less_than_half_of_its_block() -> None:
    for extent in (extent for seed in SEEDS for extent in beyond(seed)):
        assert extent.tokens < model_case(extent).block_size / 2


def test_texts_are_drawn_of_each_kind() -> None:
    case = model_case(beyond(1)[0])
    words = {len(set(row)) for row in case.tokens}
    strides = [np.unique(np.diff(row[1:]) % case.vocab_size) for row in np.array(case.tokens)]

    assert (min(words) <= 3, max(words) > case.length / 3) == (True, True)
    assert sum(len(stride) == 1 for stride in strides) == len(case.tokens) // 4


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


def test_an_adapter_limits_the_sizes_that_its_model_is_asked_in() -> None:
    text = 'NAMES = {}\nLARGEST = {"block_size": 64, "d_model": 48}  # its table has 64 rows\n'

    assert largest(text) == {"tokens": 62, "room": 2, "width": 48}
    assert largest("NAMES = {}\n") == {}
    first, between, *beyond = (at_most(extent, **largest(text)) for extent in extents(MODEL, 3, thorough=True))
    assert [(extent.tokens, extent.width <= 48) for extent in (first, *beyond)] == [(32, True), *[(62, True)] * 3]
    assert between.room <= 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('LARGEST = {"vocab_size": 9}', "names 'vocab_size'; expected some of block_size, n_layer, d_model"),
        ('LARGEST = {"block_size": 3}', "has block_size=3; expected at least 4"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_said(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        largest(text)
