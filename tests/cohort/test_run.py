"""What those who grade answer is looked at before it is kept: it has to be what was asked for."""

import contextlib
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

import pytest
from msgspec.structs import replace

from grader.cohort.entries import Entry
from grader.cohort.pool import Backend, Graded, NotGraded, Setup, Task
from grader.cohort.run import Cohort
from grader.cohort.store import Store
from grader.cohort.summary import Summary
from grader.exercise.model import Exercise
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.jobs import About, Asked
from grader.result.record import Audience, Outcome, Result, Status, Timeline, to_json, untimed
from grader.sandbox.client import Launcher
from grader.sandbox.torch_version import torch_version
from grader.submission.read import Submission, submission_of

ONLY = ("projection",)


class Answering:
    """In place of jobs: every submission gets the same answer."""

    def __init__(self, answer: Graded | NotGraded) -> None:
        self.answer = answer

    def grade(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        for each in asked:
            yield each.about, self.answer


def answering(answer: Graded | NotGraded) -> Callable[[Setup], AbstractContextManager[Backend]]:
    return lambda _: contextlib.nullcontext(Answering(answer))


@pytest.fixture(scope="module")
def submission(exercise: Exercise) -> Submission:
    return submission_of("ann", exercise.reference)


@pytest.fixture(scope="module")
def result(exercise: Exercise, submission: Submission, launcher: Launcher) -> Result:
    """What grading the submission does come to."""
    options = Options(only=ONLY, seed=1, shared=True)
    return untimed(Session(exercise, launcher, Keep.NOTHING).grade(submission, options))


@pytest.fixture
def run(exercise: Exercise, submission: Submission, tmp_path: Path) -> Callable[[Graded | NotGraded], Summary]:
    """``run(answer)``: a cohort of one submission, whose grade is ``answer``."""

    def run(answer: Graded | NotGraded) -> Summary:
        with Store(tmp_path / "out", resume=False, seed=1, audience=Audience.INSTRUCTOR) as store:
            entry = Entry(folder="ann", title="ann", submission=submission)
            options = Options(only=ONLY)
            cohort = Cohort((entry,), exercise, options, Audience.INSTRUCTOR, store)
            return cohort.run(answering(answer), lambda *_: None, lambda _: None)

    return run


TIMELINE = Timeline(started_at="2026-11-29T19:00:00Z", last_at="2026-11-29T19:00:00Z", head="ab" * 32)


def graded(result: bytes) -> Graded:
    return Graded(result=result, report=b"<p>", seconds=1.0)


def test_the_result_that_was_asked_for_is_kept(
    result: Result, run: Callable[[Graded], Summary], tmp_path: Path
) -> None:
    (row,) = run(graded(to_json(result))).rows

    assert (row.score, row.reason) == (result.score, "")
    assert (tmp_path / "out" / "candidates" / "ann" / "result.json").read_bytes() == to_json(result)


def test_a_result_that_could_not_be_judged_is_kept_with_the_reason(
    result: Result, run: Callable[[Graded], Summary], tmp_path: Path
) -> None:
    unjudged = replace(
        result,
        items=tuple(
            replace(
                item,
                status=Status.NOT_JUDGED,
                checks=tuple(replace(check, outcome=Outcome.NOT_JUDGED) for check in item.checks),
            )
            for item in result.items
        ),
    )
    assert not unjudged.judged

    (row,) = run(graded(to_json(unjudged))).rows

    assert (row.graded, row.reason) == (True, "some of it could not be judged on this machine")
    assert (tmp_path / "out" / "candidates" / "ann" / "result.json").is_file()


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (lambda result: replace(result, candidate=replace(result.candidate, sha256="0" * 64)), "another submission"),
        (lambda result: replace(result, integrity=replace(result.integrity, exercise="0" * 64)), "another exercise"),
        (lambda result: replace(result, integrity=replace(result.integrity, grader="0" * 64)), "another grader"),
        (lambda result: replace(result, environment=replace(result.environment, seed=2)), "another seed"),
        (lambda result: replace(result, asked=replace(result.asked, only=())), "another set of questions"),
        (lambda result: replace(result, timeline=TIMELINE), "another history"),
    ],
    ids=["submission", "exercise", "grader", "seed", "questions", "history"],
)
def test_the_result_of_anything_else_is_not_kept(
    other: Callable[[Result], Result],
    reason: str,
    result: Result,
    run: Callable[[Graded], Summary],
    tmp_path: Path,
) -> None:
    (row,) = run(graded(to_json(other(result)))).rows

    assert (row.graded, row.reason) == (False, f"what came back is the result of {reason}")
    assert not (tmp_path / "out" / "candidates" / "ann").exists()


def test_a_build_of_torch_whose_metadata_do_not_name_it_is_no_other(
    result: Result, run: Callable[[Graded], Summary], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard build has 2.13.0 in its metadata, and 2.13.0+cu130 in torch itself."""
    number = property(lambda self: self.metadata["Version"].partition("+")[0])
    # A program that has the backport of importlib.metadata imported has other classes of it found.
    monkeypatch.setattr(type(importlib.metadata.distribution("torch")), "version", number)
    torch_version.cache_clear()
    (row,) = run(graded(to_json(result))).rows

    assert "+" not in version("torch")
    assert (row.graded, row.reason) == (True, "")


def test_what_differs_is_said_with_both_values(result: Result, run: Callable[[Graded], Summary]) -> None:
    environment = replace(
        result.environment, torch="2.6.0+cu124", packages=result.environment.packages | {"numpy": "2.0.0"}
    )
    (row,) = run(graded(to_json(replace(result, environment=environment)))).rows

    assert row.reason == (
        f"what came back is the result of another environment: torch 2.6.0+cu124 instead of {torch_version()}, "
        f"numpy 2.0.0 instead of {version('numpy')}"
    )


def test_another_isolation_is_said_with_both_values(result: Result, run: Callable[[Graded], Summary]) -> None:
    isolation = replace(result.environment.isolation, mode="process")
    other = replace(result, environment=replace(result.environment, isolation=isolation))
    (row,) = run(graded(to_json(other))).rows

    assert row.reason == "what came back is the result of another isolation: process instead of strict"


@pytest.mark.parametrize(
    "rubbish", [b"", b"{}", b"\xff", b'{"x":' + b"[" * 100_000], ids=["empty", "no-fields", "bytes", "deep"]
)
def test_rubbish_is_no_result_and_ends_nothing(
    rubbish: bytes, run: Callable[[Graded], Summary], tmp_path: Path
) -> None:
    (row,) = run(graded(rubbish)).rows

    assert row.reason.startswith("what came back is no result that can be read (")
    assert not (tmp_path / "out" / "candidates" / "ann").exists()
