"""A recorded grade and a new one: the same verdict, or exactly what differs."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from grader.exercise.model import Exercise
from grader.report.side_by_side import render_recheck
from grader.report.terminal import width
from grader.result.recheck import recheck
from grader.result.record import FollowUp, Outcome, Result, Status, environment_digest

FOLLOW_UP = FollowUp(id="ragged", title="Ragged", status=Status.BUILT, score=9, max_score=9)


@pytest.fixture(scope="module")
def result(grade_files: Callable[..., Result], exercise: Exercise) -> Result:
    """The reference, graded on one item with the seed 1."""
    return grade_files(exercise.reference, only=("projection",))


def with_item(result: Result, **changes: Any) -> Result:
    return replace(result, items=(replace(result.items[0], **changes), *result.items[1:]))


def with_outcome(result: Result, outcome: Outcome) -> Result:
    first, *others = result.items[0].checks
    return with_item(result, checks=(replace(first, outcome=outcome), *others))


def with_forged_twin(result: Result) -> Result:
    return replace(result, items=(*with_item(result, score=99.0, checks=()).items, *result.items))


def with_points(result: Result) -> Result:
    first, *others = result.items[0].checks
    return with_item(result, checks=(replace(first, score=first.score + 1), *others))


def lines_that_differ(recorded: Result, here: Result) -> list[str]:
    found = recheck(recorded, here)
    names = [each.what for each in (*found.origins, *found.sums) if not each.same]
    return names + [item.id for item in found.items if not item.same]


def test_a_grade_confirms_itself_whatever_its_times_and_texts(result: Result) -> None:
    timed = with_item(replace(result, seconds=99.0), summary="other words")

    found = recheck(timed, result)
    assert found.same
    assert lines_that_differ(timed, result) == []
    assert render_recheck(found).endswith("\nThe verdict is the same.\n")


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        pytest.param(lambda r: with_item(r, score=14.0), ["projection"], id="points-of-an-item"),
        pytest.param(lambda r: with_item(r, status=Status.PARTLY), ["projection"], id="status"),
        pytest.param(lambda r: with_outcome(r, Outcome.FAILED), ["projection"], id="outcome"),
        pytest.param(lambda r: with_item(r, checks=r.items[0].checks[1:]), ["projection"], id="a-check-less"),
        pytest.param(lambda r: with_item(r, id="masking"), ["masking", "projection"], id="another-item"),
        pytest.param(lambda r: replace(r, items=()), ["projection"], id="no-items"),
        pytest.param(lambda r: with_forged_twin(r), ["named twice"], id="an-item-hidden-by-another"),
        pytest.param(lambda r: replace(r, followups=(FOLLOW_UP,)), ["follow-ups"], id="follow-up"),
        pytest.param(lambda r: with_points(r), ["projection"], id="points-of-a-check"),
        pytest.param(lambda r: replace(r, score=100.0), ["score"], id="score"),
        pytest.param(lambda r: replace(r, remaining_bugs=("masking",)), ["known bugs still in"], id="bugs"),
        pytest.param(
            lambda r: replace(r, candidate=replace(r.candidate, sha256="0" * 64)), ["candidate"], id="candidate"
        ),
        pytest.param(
            lambda r: replace(r, integrity=replace(r.integrity, exercise="0" * 64)), ["exercise"], id="exercise"
        ),
    ],
)
def test_whatever_a_verdict_is_made_of_is_compared(
    change: Callable[[Result], Result], differing: list[str], result: Result
) -> None:
    changed = change(result)

    assert not recheck(changed, result).same
    assert sorted(lines_that_differ(changed, result)) == differing
    assert "The verdict is the same." not in render_recheck(recheck(changed, result))


def test_another_machine_or_grader_is_told_and_does_not_decide(result: Result) -> None:
    elsewhere = replace(
        result,
        environment=replace(result.environment, cpu="NEON"),
        integrity=replace(result.integrity, grader="0" * 64),
        asked=replace(result.asked, timeout=60.0),
        candidate=replace(result.candidate, tests=("test_mine.py",), tests_sha256="0" * 64),
    )

    found = recheck(elsewhere, result)
    assert found.same
    assert lines_that_differ(elsewhere, result) == [
        "own tests",
        "grader",
        "time limit",
        "environment",
        "environment: cpu",
    ]
    worse = recheck(with_outcome(elsewhere, Outcome.FAILED), result)
    assert "What it was reached with differs too: environment, grader, time limit." in " ".join(
        render_recheck(worse).split()
    )


def test_a_file_whose_environment_was_changed_does_not_hide_behind_its_old_hash(result: Result) -> None:
    forged = replace(result, environment=replace(result.environment, torch="9.9"))

    assert forged.integrity.environment == result.integrity.environment
    assert "environment: torch" in lines_that_differ(forged, result)


def test_evil_text_in_a_recorded_result_stays_harmless_and_within_80_columns(result: Result) -> None:
    evil = "\x1b[31mred\x1b[0m \u202e" + "x" * 300
    forged = with_item(result, id=evil, title=evil)
    forged = replace(forged, candidate=replace(forged.candidate, sha256=evil), remaining_bugs=(evil,))

    text = render_recheck(recheck(forged, result))
    assert not any(character in text for character in "\x1b\u202e")
    assert max(map(width, text.splitlines())) <= 80


# What a result says of its making


def test_the_hashes_name_what_they_are_made_of(result: Result, exercise: Exercise) -> None:
    assert result.integrity.exercise == exercise.sha256
    assert result.integrity.environment == environment_digest(result.environment)
    assert set(result.environment.packages) == {"deepdiff", "hypothesis", "msgspec", "numpy"}


def test_the_seed_is_no_part_of_the_environments_hash(result: Result) -> None:
    environment = result.environment

    assert environment_digest(environment) == environment_digest(replace(environment, seed=2))
    assert environment_digest(environment) != environment_digest(replace(environment, threads=2))
