"""How hard a bug is said to be: every feature moves the score, and the buckets begin where they should."""

from dataclasses import replace
from itertools import product
from typing import Any

import msgspec
import pytest

from grader.exercise.key import Difficulty
from grader.injection.choose import difficulty, within_reach
from grader.injection.observe import Observation
from mutations.catalogue import operator
from mutations.operator import Distance, Operator, Part, Visibility

EASIEST = replace(
    operator("mask-flipped"), visibility=Visibility.CRASH, distance=Distance.LINE, needs=frozenset[Part]()
)
PLAIN = Observation(shows_in=("forward",), killed_by=tuple("abcdef"), crashes_in=(), effect=1.0, detections=(6,))
FEATURES = ["visibility", "killers", "effect", "extra_path", "distance", "shared_symptoms"]


def scored(of: dict[str, Any] | None = None, seen: dict[str, Any] | None = None, *others: str) -> Difficulty:
    """The difficulty of the easiest bug there is, with these changes, beside bugs seen by these checks."""
    planted: Operator = replace(EASIEST, **(of or {}))
    observed = msgspec.structs.replace(PLAIN, **(seen or {}))
    return difficulty(planted, observed, [msgspec.structs.replace(PLAIN, killed_by=(other,)) for other in others])


def test_the_easiest_bug_scores_nothing() -> None:
    assert scored() == Difficulty(score=0, bucket="easy", features=dict.fromkeys(FEATURES, 0))


@pytest.mark.parametrize(
    ("feature", "of", "seen", "score"),
    [
        ("visibility", {"visibility": Visibility.LOSS}, {}, 1),
        ("visibility", {"visibility": Visibility.SILENT}, {}, 2),
        ("killers", {}, {"killed_by": tuple("abcdefg")}, 0),
        ("killers", {}, {"killed_by": tuple("abcde")}, 1),
        ("killers", {}, {"killed_by": tuple("abc")}, 1),
        ("killers", {}, {"killed_by": tuple("ab")}, 2),
        ("killers", {}, {"killed_by": tuple("a")}, 2),
        ("effect", {}, {"effect": 0.1}, 0),
        ("effect", {}, {"effect": 0.0999}, 1),
        ("effect", {}, {"effect": 0.001}, 1),
        ("effect", {}, {"effect": 0.000999}, 2),
        ("extra_path", {"needs": frozenset({Part.CACHE})}, {}, 1),
        ("extra_path", {"needs": frozenset({Part.CLASSIFIER, Part.HEADS})}, {}, 1),
        ("distance", {"distance": Distance.FUNCTION}, {}, 1),
        ("distance", {"distance": Distance.FAR}, {}, 2),
    ],
)
def test_each_feature_moves_the_score_alone(feature: str, of: dict[str, Any], seen: dict[str, Any], score: int) -> None:
    assert scored(of, seen).features == {**dict.fromkeys(FEATURES, 0), feature: score}
    assert scored(of, seen).score == score


def test_a_check_that_sees_another_bug_too_makes_both_harder() -> None:
    assert scored(None, None, "x", "y").features["shared_symptoms"] == 0
    assert scored(None, None, "x", "f").features["shared_symptoms"] == 1
    assert scored(None, None, "x", "f").score == 1


def test_the_score_is_the_sum_of_its_features_and_10_at_most() -> None:
    found = set()
    for visibility, distance, part, killers, effect, shared in product(
        Visibility, Distance, ((), (Part.CACHE,)), (1, 4, 8), (1.0, 0.01, 1e-5), ((), ("a",))
    ):
        got = scored(
            {"visibility": visibility, "distance": distance, "needs": frozenset(part)},
            {"killed_by": tuple("abcdefgh"[:killers]), "effect": effect},
            *shared,
        )
        found.add((got.score, got.bucket))

        assert got.score == sum(got.features.values())

    assert sorted(found) == [(score, bucket_of(score)) for score in range(11)]


def bucket_of(score: int) -> str:
    """As docs/exercises.md has it: 0 to 3 is easy, 4 to 6 medium, 7 and more hard."""
    return (["easy"] * 4 + ["medium"] * 3 + ["hard"] * 4)[score]


@pytest.mark.parametrize(
    ("visibility", "distance", "needs"), list(product(Visibility, Distance, [(), (Part.CACHE,)])), ids=str
)
def test_what_is_within_reach_is_what_some_measurement_gives(
    visibility: Visibility, distance: Distance, needs: tuple[Part, ...]
) -> None:
    of = {"visibility": visibility, "distance": distance, "needs": frozenset(needs)}
    measured = product((1, 4, 8), (1.0, 0.01, 1e-4))
    buckets = {scored(of, {"killed_by": tuple("abcdefgh"[:n]), "effect": effect}).bucket for n, effect in measured}

    assert within_reach(replace(EASIEST, **of)) == buckets  # type: ignore[arg-type]
