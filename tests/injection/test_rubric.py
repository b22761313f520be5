"""The rubric of a generated exercise: 100 points, each bug told by the checks and the comparison that see it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.checks.catalogue import CHECKS, of_family
from grader.comparisons.catalogue import COMPARISONS
from grader.exercise.model import FORWARD, Item, builtin_exercise
from grader.grading.attribution import FINITE
from grader.injection.observe import Observation
from grader.injection.rubric_and_key import EARNERS, comparisons, rubric, split
from mutations.operator import Category

IDS = [check.id for check in CHECKS]
FACET_IDS = [comparison.id for comparison in COMPARISONS]
EXTENSIONS = tuple(item for item in builtin_exercise().rubric.item if item.kind == "extension")

observations = st.builds(
    Observation,
    shows_in=st.lists(st.sampled_from(FACET_IDS), min_size=1, unique=True).map(tuple),
    killed_by=st.lists(st.sampled_from(IDS), min_size=1, max_size=12, unique=True).map(
        lambda ids: tuple(sorted(ids, key=IDS.index))
    ),
    crashes_in=st.just(()),
    effect=st.just(0.5),
    detections=st.just((1, 1, 1)),
)
planted = st.lists(st.tuples(st.sampled_from(list(Category)), observations), min_size=1, max_size=6)


def seen(*killed_by: str, shows_in: tuple[str, ...] = ("forward",)) -> Observation:
    return Observation(shows_in=shows_in, killed_by=killed_by, crashes_in=(), effect=0.5, detections=(1, 1, 1))


def ids(category: Category) -> list[str]:
    return [check.id for check in of_family(category)]


def item_of(category: Category, observation: Observation) -> Item:
    return rubric("x", "X", [(category, observation)], (), CHECKS).item[0]


@pytest.mark.parametrize(("bugs", "extensions"), list(product(range(1, 7), [(), EXTENSIONS])))
def test_the_points_add_up_to_100_whole_ones(bugs: int, extensions: tuple[Item, ...]) -> None:
    made = rubric("x", "X", [(Category.MASKING, seen(*ids(Category.MASKING)))] * bugs, extensions, CHECKS)
    own = made.item[:bugs]

    assert sum(item.points for item in made.item) == 100
    assert made.item[bugs:] == extensions
    assert max(item.points for item in own) - min(item.points for item in own) <= 1
    for item in own:
        assert sum(item.earns.values()) + item.exact == item.points
        assert all(float(points).is_integer() and points > 0 for points in (*item.earns.values(), item.exact))


@given(bugs=planted, built=st.booleans())
def test_whatever_was_seen_every_item_adds_up_and_hides_what_it_is_about(
    bugs: list[tuple[Category, Observation]], built: bool
) -> None:
    extensions = () if built else EXTENSIONS
    made = rubric("gpt-1", "A GPT", bugs, extensions, CHECKS)
    items = made.item[: len(bugs)]
    failing = {check for _, observation in bugs for check in observation.killed_by}

    assert sum(item.points for item in made.item) == 100
    for number, (item, (category, observation)) in enumerate(zip(items, bugs, strict=True), start=1):
        own = ids(category)
        assert (item.id, item.title, item.kind) == (f"bug-{number}", f"Bug {number}", "bug")
        assert sum(item.earns.values()) + item.exact == item.points
        assert 1 <= len(item.earns) <= EARNERS
        assert set(item.earns) <= set(observation.killed_by)
        told = [check in own for check in item.earns]
        assert told == sorted(told, reverse=True)
        assert set(item.takes) - {FINITE} == set(own) - failing - {FINITE}
        assert all(0 < points < item.points for points in item.takes.values())
    shown = any(FORWARD in observation.shows_in or category is Category.MASKING for category, observation in bugs)
    assert sum(FINITE in item.takes for item in items) == (shown and FINITE not in failing)  # charged once


def test_checks_of_its_own_kind_earn_first_and_most() -> None:
    own, others = ids(Category.POSITION)[:1], ids(Category.MASKING)[:2]
    killers = sorted([*own, *others], key=IDS.index)

    item = item_of(Category.POSITION, seen(*killers))

    assert list(item.earns) == [*own, *(check for check in killers if check not in own)]
    assert item.earns == {own[0]: 40, others[0]: 20, others[1]: 20}
    assert item.exact == 20


def test_of_many_checks_four_earn() -> None:
    own = ids(Category.MASKING)[:1]
    others = [check for check in IDS if check not in ids(Category.MASKING)][:8]

    assert list(item_of(Category.MASKING, seen(*others, *own)).earns) == [*own, *others[:3]]


def test_a_bug_that_no_check_of_its_kind_sees_earns_by_the_others() -> None:
    other = ids(Category.POSITION)[0]

    item = item_of(Category.MASKING, seen(other))

    assert item.earns == {other: 80}
    assert list(item.takes) == ids(Category.MASKING)


def test_a_guard_of_one_bug_is_no_check_that_another_bug_fails() -> None:
    first, *rest = ids(Category.MASKING)
    earner = ids(Category.POSITION)[0]
    made = rubric("x", "X", [(Category.MASKING, seen(earner)), (Category.POSITION, seen(earner, first))], (), CHECKS)

    assert list(made.item[0].takes) == rest


def test_facets_are_those_in_which_each_bug_shows_first() -> None:
    last = FACET_IDS[-1]
    assert comparisons([seen("a", shows_in=("forward", last))]) == ("forward",)
    assert comparisons([seen("a", shows_in=(last,)), seen("b", shows_in=("forward", last))]) == ("forward", last)
    assert comparisons([seen("a", shows_in=(last, "training"))]) == ("training",)
    assert comparisons([seen("a", shows_in=("modes",)), seen("b", shows_in=("gradients", "modes"))]) == (
        "gradients",
        "modes",
    )


@given(st.integers(1, 100), st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_a_split_is_whole_complete_and_in_proportion(points: int, weights: list[int]) -> None:
    shares = split(points, weights)

    assert sum(shares) == points
    for share, weight in zip(shares, weights, strict=True):
        assert share.is_integer()
        assert abs(share - points * weight / sum(weights)) <= 1


def test_every_category_and_every_family_of_checks_have_each_other() -> None:
    assert {check.family for check in CHECKS} == {category.value for category in Category}


def test_no_guard_is_a_check_that_cannot_be_asked_yet() -> None:
    first, *rest = of_family(Category.MASKING)
    made = rubric("x", "X", [(Category.MASKING, seen(first.id))], (), [first, *rest[1:]])

    assert list(made.item[0].takes) == [check.id for check in rest[1:]]
    assert rest
