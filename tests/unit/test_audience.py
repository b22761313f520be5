"""A learner's result holds the same verdict and nothing of the reference, and stays a learner's."""

import msgspec
import pytest
from msgspec.structs import replace

from grader.audience import for_audience
from grader.record import (
    Asked,
    Audience,
    CandidateInfo,
    CheckResult,
    Counterexample,
    Curve,
    Divergence,
    Environment,
    ExerciseInfo,
    Exhibits,
    FollowUp,
    Hidden,
    InfluenceExhibit,
    Integrity,
    Isolation,
    ItemResult,
    Lane,
    Outcome,
    Result,
    Role,
    Status,
    TrainingExhibit,
    from_json,
    to_json,
)  # fmt: skip

SECRET = "of-the-reference"
SEED = 918273645


def check() -> CheckResult:
    shown = Counterexample(claim="c", seen="s", hidden=Hidden(expected=SECRET, note=SECRET))
    return CheckResult(
        id="x",
        title="X",
        outcome=Outcome.FAILED,
        role=Role.EARNS,
        score=0,
        max_score=1,
        seconds=0,
        counterexample=shown,
    )


@pytest.fixture
def result() -> Result:
    """A result with something hidden wherever something can be hidden."""
    curve = Curve(label=SECRET, losses=(0.123456789,))
    plain = CheckResult(id="y", title="Y", outcome=Outcome.PASSED, role=Role.GUARD, score=0, max_score=1, seconds=0)
    return Result(
        exercise=ExerciseInfo(id="e", title="E"),
        candidate=CandidateInfo(name="n", sha256="0"),
        score=0,
        max_score=1,
        items=(
            ItemResult(
                id="i", title="I", status=Status.NOT_FIXED, score=0, max_score=1, lane=Lane.BEHAVIOUR, summary="s",
                checks=(check(), plain),
            ),
        ),
        followups=(FollowUp(id="f", title="F", status=Status.PARTLY, score=0, max_score=1, checks=(check(),)),),
        remaining_bugs=("i",),
        exhibits=Exhibits(
            influence=InfluenceExhibit(tokens=(1,), candidate=((1.0,),), reference=((0.123456789,),)),
            training=TrainingExhibit(
                candidate=Curve(label="candidate", losses=(1.0,)), reference=curve, variant=curve, note="n",
                first_divergence=Divergence(step=0, tensor=SECRET, element=(), ulps=1, actual="1"),
            ),
        ),
        environment=Environment(
            grader="0", torch="0", python="0", platform="0", cpu="0", threads=1, packages={}, seed=SEED,
            isolation=Isolation(mode="strict", layers=(), missing=()),
        ),
        asked=Asked(only=(), thorough=False, timeout=1.0),
        integrity=Integrity(exercise="0", grader="0", environment="0"),
        seconds=0,
    )  # fmt: skip


def test_an_instructor_sees_everything(result: Result) -> None:
    assert result is for_audience(result, Audience.INSTRUCTOR)


def test_a_learner_sees_nothing_that_was_hidden(result: Result) -> None:
    text = to_json(for_audience(result, Audience.LEARNER)).decode()

    assert [word for word in (SECRET, str(SEED), "0.123456789") if word in text] == []


def test_a_learner_sees_the_same_verdict(result: Result) -> None:
    learner = for_audience(result, Audience.LEARNER)

    assert learner.audience is Audience.LEARNER
    assert (result.score, result.remaining_bugs) == (learner.score, learner.remaining_bugs)
    shown = learner.items[0].checks[0]
    assert replace(shown, counterexample=None) == replace(result.items[0].checks[0], counterexample=None)
    assert result.items[0].checks[1] == learner.items[0].checks[1]
    assert learner.exhibits.training is not None
    assert learner.exhibits.training.candidate.losses == (1.0,)


@pytest.mark.parametrize("audience", Audience)
def test_a_learners_result_stays_a_learners(audience: Audience, result: Result) -> None:
    learner = for_audience(result, Audience.LEARNER)

    assert learner == for_audience(from_json(to_json(learner)), audience)


def test_every_optional_field_of_the_exhibits_may_be_absent(result: Result) -> None:
    bare = replace(result, exhibits=Exhibits(), followups=(), items=())

    assert for_audience(bare, Audience.LEARNER).exhibits == Exhibits()


def test_a_result_without_an_audience_is_not_read_as_anybodys(result: Result) -> None:
    data = msgspec.json.decode(to_json(result)) | {"audience": "public"}

    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'public'"):
        from_json(msgspec.json.encode(data))
