"""A learner's result holds the same verdict and nothing of the reference, and stays a learner's."""

import re
from collections.abc import Iterator
from enum import Enum
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec.structs import replace

from grader.report import render_html
from grader.result.audience import for_audience
from grader.result.hidden import HIDDEN, Frozen, hidden_fields
from grader.result.record import SCHEMA_VERSION, Audience, Exhibits, Feedback, Result, Status, from_json, to_json

CANARIES = {"first": ("canary-of-the-reference", 918273645), "second": ("another-canary", 564738291)}


def made(hint: Any, hidden: str, canary: str | None = None) -> Any:
    """A value of any type a record can have, with everything in it.

    Args:
        hidden: which canary goes wherever the type is marked as hidden.
        canary: the one to use here: what is made is part of something hidden.
    """
    word, number = CANARIES[canary] if canary else ("plain", 1)
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return made(inner[0], hidden, hidden if HIDDEN in inner else canary)
    if origin in (Union, UnionType):
        return made(next(kind for kind in inner if kind is not NoneType), hidden, canary)
    if origin is tuple:
        return tuple(made(kind, hidden, canary) for kind in inner if kind is not Ellipsis)
    if origin is dict:
        return {word: made(inner[1], hidden, canary)}
    if issubclass(hint, Frozen):
        fields = get_type_hints(hint, include_extras=True)
        return hint(**{name: made(field, hidden, canary) for name, field in fields.items()})
    if issubclass(hint, Enum):
        return next(iter(hint))
    return {str: word, int: number, float: float(number), bool: canary == "first"}[hint]


def kinds(hint: Any) -> Iterator[type[Frozen]]:
    """Every record that a value of this type may hold."""
    if isinstance(hint, type) and issubclass(hint, Frozen):
        yield hint
        for inner in get_type_hints(hint, include_extras=True).values():
            yield from kinds(inner)
    for inner in get_args(hint):
        yield from kinds(inner)


@pytest.fixture
def result() -> Result:
    """A result with something in every field, and a canary wherever something is hidden."""
    full: Result = made(Result, "first")
    return replace(full, schema_version=SCHEMA_VERSION, feedback=Feedback.HINTS)


@pytest.fixture
def other() -> Result:
    """The same with other canaries."""
    full: Result = made(Result, "second")
    return replace(full, schema_version=SCHEMA_VERSION, feedback=Feedback.HINTS)


def test_the_fields_that_are_hidden_are_these() -> None:
    found = {f"{kind.__name__}.{name}" for kind in kinds(Result) for name in hidden_fields(kind)}

    assert found == {
        "Counterexample.hidden",
        "Environment.seed",
        "Exhibits.ulps",
        "InfluenceExhibit.reference",
        "ParameterExhibit.same_start",
        "Result.trace",
        "TrainingExhibit.first_divergence",
        "TrainingExhibit.reference",
        "TrainingExhibit.variant",
    }


def test_a_field_whose_name_speaks_of_something_hidden_is_marked_or_known_to_be_the_contracts() -> None:
    telling = re.compile(r"reference|variant|expected|solution|seed|hidden|diverge|ulps|same_")
    marked = [kind for outer in kinds(Result) for name in hidden_fields(outer)
              for kind in kinds(get_type_hints(outer, include_extras=True)[name])]  # fmt: skip
    open_to_all = {
        f"{kind.__name__}.{name}"
        for kind in kinds(Result)
        if kind not in marked
        for name in kind.__struct_fields__
        if telling.search(name) and name not in hidden_fields(kind)
    }

    assert open_to_all == {"CacheExhibit.expected", "ParameterRow.expected"}


def test_an_instructor_sees_everything(result: Result) -> None:
    assert result is for_audience(result, Audience.INSTRUCTOR)


def test_an_instructors_page_tells_what_a_learners_does_not(result: Result) -> None:
    word, number = CANARIES["first"]
    shown = [text for text in (word, str(number)) if text in render_html(result)]

    assert shown == [word, str(number)]


def test_no_canary_is_in_a_learners_page_or_json(result: Result) -> None:
    learner = for_audience(result, Audience.LEARNER)
    word, number = CANARIES["first"]
    texts = (to_json(learner).decode(), render_html(learner))

    assert [found for text in texts for found in (word, str(number), f"{number:,}") if found in text] == []


def test_a_learners_page_and_json_are_the_same_whatever_is_hidden(result: Result, other: Result) -> None:
    one, two = (for_audience(each, Audience.LEARNER) for each in (result, other))

    assert to_json(result) != to_json(other)
    assert to_json(one) == to_json(two)
    assert render_html(one) == render_html(two)


def test_every_field_that_is_not_hidden_is_the_same_for_both(result: Result) -> None:
    learner = for_audience(result, Audience.LEARNER)

    def pairs(mine: Any, theirs: Any, path: str) -> Iterator[str]:
        if isinstance(mine, Frozen):
            for name in mine.__struct_fields__:
                yield from pairs(getattr(mine, name), getattr(theirs, name), f"{path}.{name}")
        elif isinstance(mine, tuple) and isinstance(theirs, tuple):
            for one, other in zip(mine, theirs, strict=True):
                yield from pairs(one, other, path)
        elif mine != theirs:
            yield path

    changed = set(pairs(learner, result, "result"))

    assert {path.rpartition(".")[2] for path in changed} == {
        "audience", "first_divergence", "hidden", "reference", "same_start", "seed", "trace", "ulps", "variant",
    }  # fmt: skip


@pytest.mark.parametrize("audience", Audience)
def test_a_learners_result_stays_a_learners(audience: Audience, result: Result) -> None:
    learner = for_audience(result, Audience.LEARNER)

    assert learner == for_audience(from_json(to_json(learner)), audience)


@pytest.mark.parametrize("asked", Feedback)
@pytest.mark.parametrize("first", Feedback)
def test_a_learners_result_shows_no_more_the_second_time(first: Feedback, asked: Feedback, result: Result) -> None:
    once = for_audience(result, Audience.LEARNER, first)

    assert for_audience(once, Audience.LEARNER, asked) == for_audience(
        result, Audience.LEARNER, min(first, asked, key=list(Feedback).index)
    )


def test_an_instructors_result_says_how_much_its_copies_for_learners_show_and_keeps_everything(result: Result) -> None:
    marked = for_audience(result, Audience.INSTRUCTOR, Feedback.ITEMS)

    assert replace(marked, feedback=result.feedback) == result
    assert for_audience(marked, Audience.LEARNER) == for_audience(result, Audience.LEARNER, Feedback.ITEMS)


@pytest.mark.parametrize("level", Feedback)
def test_full_marks_and_reward_are_the_same_however_much_is_shown(level: Feedback, samples: ModuleType) -> None:
    for whole in (samples.starter(), samples.perfect()):
        learner = for_audience(whole, Audience.LEARNER, level)

        assert (learner.full_marks, learner.judged, learner.reward) == (whole.full_marks, whole.judged, whole.reward)


def test_where_the_score_alone_is_shown_an_item_without_a_verdict_is_named_all_the_same(samples: ModuleType) -> None:
    whole = samples.half_done()
    unjudged = [item.id for item in whole.items if item.status is Status.NOT_JUDGED]
    learner = for_audience(whole, Audience.LEARNER, Feedback.SCORE)

    assert unjudged
    assert [item.id for item in learner.items] == unjudged
    assert not learner.judged
    assert learner.reward is None


def test_where_the_score_alone_is_shown_nothing_tells_what_it_is_made_of(result: Result) -> None:
    learner = for_audience(result, Audience.LEARNER, Feedback.SCORE)

    assert result.remaining_bugs is not None
    assert result.timeline is not None
    assert learner.remaining_bugs is None
    assert learner.timeline is None
    assert (learner.items, learner.followups, learner.exhibits) == ((), (), Exhibits())


def test_every_optional_field_of_the_exhibits_may_be_absent(result: Result) -> None:
    bare = replace(result, exhibits=Exhibits(), followups=(), items=())

    assert for_audience(bare, Audience.LEARNER).exhibits == Exhibits()


def test_a_result_without_an_audience_is_not_read_as_anybodys(result: Result) -> None:
    data = msgspec.json.decode(to_json(result)) | {"audience": "public"}

    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'public'"):
        from_json(msgspec.json.encode(data))
