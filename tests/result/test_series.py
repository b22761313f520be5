"""Results of one exercise one after the other: what each says, and what may keep points from meaning the same."""

from types import ModuleType

import pytest
from msgspec.structs import replace

from grader.result.audience import for_audience
from grader.result.record import Audience, Result, Status
from grader.result.series import Named, divergence, roughly, series


@pytest.fixture
def starter(samples: ModuleType) -> Named:
    made: Result = samples.starter()
    return Named("one", made)


@pytest.fixture
def perfect(samples: ModuleType) -> Named:
    made: Result = samples.perfect()
    return Named("two", replace(made, candidate=replace(made.candidate, sha256="ab" * 32)))


def test_every_item_has_a_row_and_the_points_it_won(starter: Named, perfect: Named) -> None:
    found = series([starter, perfect])

    assert [(row.id, row.change) for row in found.items] == [(item.id, item.max_score) for item in perfect.result.items]
    assert (found.change, found.worse) == (100, False)
    assert series([perfect, starter]).worse


def test_what_could_not_be_judged_is_no_loss(starter: Named, perfect: Named) -> None:
    items = perfect.result.items
    unjudged = replace(items[0], status=Status.NOT_JUDGED, score=0.0, max_score=0.0)
    found = series([perfect, Named("x", replace(perfect.result, items=(unjudged, *items[1:])))])

    assert found.items[0].change is None
    assert not found.worse


def test_an_item_that_was_not_asked_for_is_none(starter: Named, perfect: Named) -> None:
    fewer = replace(
        perfect.result, items=perfect.result.items[:2], asked=replace(perfect.result.asked, only=("masking",))
    )
    found = series([starter, Named("fewer", fewer)])

    assert [cell is None for cell in found.items[-1].cells] == [False, True]
    assert found.items[-1].change is None
    assert "not the same items were asked for" in found.steps[0].notes


@pytest.mark.parametrize(
    ("results", "words"),
    [
        pytest.param(1, "1 result to compare; expected at least two", id="one"),
        pytest.param(2, "'two' is about the exercise 'gpt' and 'other' about 'rnn'", id="another-exercise"),
    ],
)
def test_what_cannot_be_compared_is_refused(results: int, words: str, perfect: Named) -> None:
    other = replace(perfect.result, exercise=replace(perfect.result.exercise, id="rnn"))

    with pytest.raises(ValueError, match=words):
        series([perfect, Named("other", other)][:results])


def test_of_another_version_of_the_exercise_no_sources_are_compared(starter: Named, perfect: Named) -> None:
    newer = replace(perfect.result, integrity=replace(perfect.result.integrity, exercise="ff" * 32))
    same, other = series([starter, perfect]), series([starter, Named("newer", newer)])

    assert same.steps[0].sources is not None
    assert other.steps[0].sources is None
    assert [note for note in other.steps[0].notes if "another version" in note] != []
    assert [note for note in same.steps[0].notes if "another version" in note] == []


def test_the_first_divergence_is_told_to_instructors_alone(starter: Named, perfect: Named) -> None:
    learner = for_audience(starter.result, Audience.LEARNER)

    assert divergence(starter.result).startswith("step 1: blocks.0.attn.query.weight")
    assert divergence(starter.result).endswith("[2, 5] is 0.173205, 48,213 float steps away")
    assert divergence(perfect.result) == "none: 40 steps identical, bit for bit"
    assert divergence(learner) == "not in a learner's copy"
    assert divergence(replace(starter.result, exhibits=type(starter.result.exhibits)())) == "no training run to look at"


def test_a_terminal_gets_rounded_numbers_and_a_distance_in_plain_words(starter: Named) -> None:
    exhibits = starter.result.exhibits
    assert exhibits.training is not None
    assert exhibits.training.first_divergence is not None
    first = replace(exhibits.training.first_divergence, tensor="loss", element=(1,), actual="4.158883094787598")
    training = replace(exhibits.training, first_divergence=replace(first, ulps=5008))
    said = divergence(replace(starter.result, exhibits=replace(exhibits, training=training)), roughly)

    assert said == "step 1: loss[1] is 4.15888, which is off by about 0.06%"


@pytest.mark.parametrize(
    ("ulps", "words"),
    [
        (1, "which is off in its last digits alone"),
        (100, "which is off by about 0.001%"),
        (1 << 22, "which is far off"),
    ],
)
def test_float_steps_are_told_roughly(ulps: int, words: str) -> None:
    assert roughly(ulps) == words
