"""Which bugs are chosen: by the seed alone, of many kinds, and none that would be unfair."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from grader.errors import UsageError
from grader.injection.choose import Chooser, Mutant
from grader.injection.observe import Observation
from grader.injection.recipe import MAX_BUGS, Recipe
from mutations.catalogue import operator
from mutations.edit import Edit
from mutations.operator import Category, Distance, Visibility

SEEN = Observation(
    shows_in=("forward",), killed_by=("a", "b"), crashes_in=(), effect=0.05, detections=(2, 2, 2)
)  # with a silent operator whose symptom is far: 2 + 2 + 1 + 2, a hard bug
KINDS = list(Category)
KILLERS = tuple("abcdef")  # as many as the easiest bugs have


def mutant(name: str, category: Category = Category.MASKING, *, site: int = 0, start: int = 0) -> Mutant:
    of = replace(operator("mask-flipped"), id=name, category=category)
    return Mutant(of, Edit("model.py", start, start + 1, "x", "y"), site)


def pool_of(kinds: Iterable[Category]) -> list[Mutant]:
    """A mutant of each of these categories, all at places of their own."""
    return [mutant(f"bug-{i}", kind, start=i) for i, kind in enumerate(kinds)]


@dataclass
class Fake:
    """Observes what it was told to, and keeps what it was asked."""

    by_name: Mapping[str, Observation] = field(default_factory=dict)
    asked: list[Mutant] = field(default_factory=list)
    expected: list[Mutant | None] = field(default_factory=list)

    def __call__(self, asked: Mutant, likely_next: Mutant | None) -> Observation:
        self.asked.append(asked)
        self.expected.append(likely_next)
        return self.by_name.get(str(asked), SEEN)


def chosen(pool: list[Mutant], observe: Callable[..., Observation] | None = None, **recipe: Any) -> list[str]:
    chooser = Chooser(Recipe(**recipe), pool, observe or Fake())
    return [str(bug.mutant) for bug in chooser.choose()]


def rejected(pool: list[Mutant], observe: Callable[..., Observation], **recipe: Any) -> dict[str, str]:
    chooser = Chooser(Recipe(**recipe), pool, observe)
    with pytest.raises(UsageError):
        chooser.choose()
    return {str(mutant): reason for mutant, reason in chooser.rejected}


# By the seed


def test_a_seed_gives_the_same_bugs_in_the_same_order_every_time() -> None:
    pool = pool_of(KINDS)
    for seed in range(20):
        assert chosen(pool, seed=seed) == chosen(pool, seed=seed)


def test_other_seeds_give_other_bugs_and_each_bug_has_its_chance() -> None:
    pool = pool_of(KINDS)
    choices = [chosen(pool, seed=seed) for seed in range(100)]

    assert len({tuple(choice) for choice in choices}) > 90
    assert {name for choice in choices for name in choice} == {str(each) for each in pool}


def test_many_sites_are_no_better_odds() -> None:
    pool = [mutant("wide", site=site, start=site) for site in range(50)] + [mutant("narrow", start=90)]
    firsts = [chosen(pool, seed=seed, bugs=1)[0] for seed in range(200)]

    assert 60 < firsts.count("narrow") < 140
    assert len(set(firsts)) > 20


def test_categories_are_distinct_as_long_as_there_are_enough() -> None:
    pool = pool_of([Category.LOSS] * 5 + [Category.MASKING, Category.HEADS, Category.MODES])
    kind = {str(each): each.operator.category for each in pool}
    for seed in range(50):
        names = chosen(pool, seed=seed, bugs=6)

        assert len({kind[name] for name in names[:4]}) == 4
        assert {kind[name] for name in names[4:]} == {Category.LOSS}
        assert len(set(names)) == 6


def test_what_is_likely_to_be_asked_next_is_told_ahead() -> None:
    pool = pool_of(KINDS)
    for seed in range(20):
        fake = Fake()
        chosen(pool, fake, seed=seed, bugs=4)

        assert fake.expected[:-1] == fake.asked[1:]


# Turned down


@pytest.mark.parametrize(
    ("seen", "recipe", "reason"),
    [
        pytest.param({"shows_in": (), "killed_by": ()}, {}, "equivalent here, or code that is never run", id="nothing"),
        pytest.param({"killed_by": ()}, {}, "no check sees it on every seed", id="no-check"),
        pytest.param({"shows_in": ()}, {}, "no comparison with the reference tells it", id="no-comparison"),
        pytest.param(
            {"unsteady_in": ("training",)},
            {},
            "its answers vary (training): no candidate can be known to have it",
            id="unsteady",
        ),
        pytest.param({"effect": 9e-6}, {}, "its effect of 9e-06 is too close to rounding", id="effect"),
        pytest.param({"crashes_in": ("forward", "modes")}, {}, "shows other bugs (forward, modes)", id="crash"),
        pytest.param({}, {"difficulty": "easy"}, "it is medium, not easy", id="too-hard"),
        pytest.param({"killed_by": tuple("abcdef"), "effect": 0.5}, {"difficulty": "medium"}, "it is easy", id="easy"),
    ],
)  # fmt: skip
def test_an_unfair_bug_is_turned_down_with_the_reason(
    seen: dict[str, Any], recipe: dict[str, Any], reason: str
) -> None:
    unfair = mutant("unfair")
    observe = Fake({"unfair": msgspec.structs.replace(SEEN, **seen)})

    assert reason in rejected([unfair], observe, bugs=2, **recipe)["unfair"]


def of_known_difficulty(name: str, start: int, visibility: Visibility, distance: Distance) -> Mutant:
    planted = mutant(name, start=start)
    known = replace(planted.operator, visibility=visibility, distance=distance, needs=frozenset())
    return planted._replace(operator=known)


def test_what_can_never_have_the_difficulty_asked_for_is_not_even_measured() -> None:
    plain = of_known_difficulty("plain", 1, Visibility.LOSS, Distance.FUNCTION)
    subtle = of_known_difficulty("subtle", 2, Visibility.SILENT, Distance.FAR)
    fake = Fake({"subtle": msgspec.structs.replace(SEEN, killed_by=("a",), effect=1e-4)})

    assert chosen([plain, subtle], fake, bugs=1, difficulty="hard") == ["subtle"]
    assert fake.asked == [subtle]
    with pytest.raises(UsageError, match="plain: it is never hard"):
        chosen([plain], fake, operators=("plain",), difficulty="hard")
    assert fake.asked == [subtle]


def test_a_bug_that_is_easy_only_while_no_other_has_its_symptoms_is_easy_by_itself_alone() -> None:
    """Its score is at the border, and sharing a check would lift it over."""
    border = of_known_difficulty("border", 1, Visibility.SILENT, Distance.FUNCTION)
    easier = of_known_difficulty("easier", 2, Visibility.SILENT, Distance.LINE)
    observe = Fake(dict.fromkeys(("border", "easier"), msgspec.structs.replace(SEEN, killed_by=KILLERS, effect=1.0)))

    assert chosen([border], observe, bugs=1, difficulty="easy") == ["border"]
    assert rejected([border, easier], observe, bugs=2, difficulty="easy") == {
        "border": "beside a bug with the same symptoms it is medium, not easy"
    }
    assert len(chosen([border, easier], observe, bugs=2)) == 2


@pytest.mark.parametrize("seen", [{"effect": 1e-5}, {"effect": 1.0}], ids=str)
def test_at_the_border_a_bug_is_fair(seen: dict[str, Any]) -> None:
    observe = Fake({"bug": msgspec.structs.replace(SEEN, **seen)})

    assert chosen([mutant("bug")], observe, bugs=1) == ["bug"]


def test_a_bug_that_crashes_may_be_the_only_one() -> None:
    crashing = msgspec.structs.replace(SEEN, crashes_in=("forward",))

    assert chosen([mutant("crash")], Fake({"crash": crashing}), bugs=1) == ["crash"]


def test_two_bugs_never_touch_the_same_text() -> None:
    pool = [
        mutant("first", Category.LOSS, start=5),
        mutant("second", Category.HEADS, start=5),
        mutant("third", Category.MODES, start=6),
    ]
    for seed in range(20):
        names = chosen(pool, seed=seed, bugs=2)

        assert "third" in names
        assert len(names) == 2


def test_an_operator_is_chosen_once_whatever_sites_it_has() -> None:
    pool = [mutant("wide", site=site, start=site) for site in range(5)] + [mutant("other", start=9)]
    for seed in range(20):
        names = chosen(pool, seed=seed, bugs=2)

        assert sum(name.startswith("wide") for name in names) == 1


def test_what_was_rejected_from_outside_is_not_chosen_again() -> None:
    pool = pool_of(KINDS)
    chooser = Chooser(Recipe(bugs=3), pool, Fake())
    first = chooser.choose()
    chooser.reject(first[0].mutant, "hides another")
    second = chooser.choose()

    assert first[0].mutant not in [bug.mutant for bug in second]
    assert len(second) == 3
    assert chooser.rejected == [(first[0].mutant, "hides another")]


@pytest.mark.parametrize("seed", range(5))
def test_what_only_clashed_with_a_bug_is_chosen_once_that_bug_is_rejected(seed: int) -> None:
    pool = [
        mutant("first", Category.LOSS, start=5),
        mutant("second", Category.HEADS, start=5),
        mutant("third", start=6),
    ]
    chooser = Chooser(Recipe(bugs=2, seed=seed), pool, Fake())
    clashing = next(bug.mutant for bug in chooser.choose() if str(bug.mutant) != "third")
    chooser.reject(clashing, "hides another")

    assert sorted(str(bug.mutant) for bug in chooser.choose()) == sorted({"first", "second", "third"} - {str(clashing)})


# Asked for by name


def test_operators_asked_for_by_name_are_those_that_are_chosen() -> None:
    pool = [mutant("one", Category.LOSS, start=1), mutant("two", Category.LOSS, start=2)]

    assert sorted(chosen(pool, operators=("one", "two"))) == ["one", "two"]


@pytest.mark.parametrize("good", range(4))
def test_of_an_operator_asked_for_by_name_all_sites_are_tried(good: int) -> None:
    sites = [mutant("wide", site=site, start=site) for site in range(4)]
    invisible = msgspec.structs.replace(SEEN, killed_by=(), shows_in=())
    observe = Fake({str(each): invisible for each in sites if each.site != good})

    assert chosen([*sites, mutant("other", start=9)], observe, operators=("wide", "other"), seed=3).count(
        str(sites[good])
    )


@pytest.mark.parametrize("seed", range(5))
def test_another_site_is_tried_when_the_exercise_was_not_sound_with_the_first(seed: int) -> None:
    sites = [mutant("wide", site=site, start=site) for site in range(2)]
    pool = [*sites, mutant("other", start=9)]
    chooser = Chooser(Recipe(operators=("wide", "other"), seed=seed), pool, Fake())
    first = next(bug.mutant for bug in chooser.choose() if bug.mutant in sites)
    chooser.reject(first, "hides another")
    second = next(bug.mutant for bug in chooser.choose() if bug.mutant in sites)

    assert {first, second} == set(sites)


# Too few


def test_too_few_is_told_with_the_seed_the_numbers_and_every_reason() -> None:
    pool = [mutant("fair", start=1), mutant("unseen", start=2), mutant("same-text", Category.HEADS, start=1)]
    observe = Fake({"unseen": msgspec.structs.replace(SEEN, killed_by=())})

    with pytest.raises(UsageError) as told:
        Chooser(Recipe(bugs=3, seed=4), pool, observe).choose()

    summary, *reasons = str(told.value).splitlines()
    assert summary == "seed=4 gives 1 of the 3 bugs asked for; turned down:"
    kept, lost = ("fair", "same-text") if "same-text: it touches the same text as fair" in told.value.args[0] else (
        "same-text", "fair",
    )  # fmt: skip
    assert sorted(reasons) == sorted(
        [f"  {lost}: it touches the same text as {kept}", "  unseen: no check sees it on every seed"]
    )


def test_an_empty_pool_is_told_too() -> None:
    with pytest.raises(UsageError, match="gives 0 of the 4 bugs"):
        Chooser(Recipe(), [], Fake()).choose()


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"bugs": 0}, "0 bugs asked for; an exercise has 1 to 6"),
        ({"bugs": MAX_BUGS + 1}, "7 bugs asked for"),
        ({"operators": tuple("abcdefg")}, "7 bugs asked for"),
        ({"operators": ("mask-flipped", "scale-missing", "mask-flipped")}, "'mask-flipped' is asked for twice"),
        (
            {"difficulty": "nonsense"},
            "difficulty='nonsense'; expected one of 'easy', 'medium', 'hard', or None for any",
        ),
        ({"difficulty": ["easy"]}, r"difficulty=\['easy'\]; expected one of 'easy'"),
        ({"bugs": 2.0}, "bugs=2.0; expected a whole number from 1 to 6"),
        ({"bugs": True}, "bugs=True; expected a whole number from 1 to 6"),
        ({"seed": "7"}, "seed='7'; expected a whole number from 0 to 2\\*\\*53 - 1"),
        ({"seed": -1}, "seed=-1; expected a whole number from 0"),
        ({"seed": 1 << 53}, "; expected a whole number from 0"),
    ],
    ids=str,
)
def test_a_recipe_for_what_cannot_be_built_is_refused(recipe: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Recipe(**recipe)
