"""The follow-up about rows of different lengths: what is wrong fails, what is right passes, and no bug counts twice."""

import runpy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from grader.checks.catalogue import BY_ID
from grader.checks.check import Context
from grader.exercise.model import Exercise
from grader.grading.run_check import ask_case
from grader.grading.search import Search, search
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.result.record import FollowUp, Outcome, Result, Status
from grader.sandbox.questions import Snippet

pytestmark = pytest.mark.slow  # a grade takes a second or two

ID = "ragged-cache"
HERE = Path(__file__).parent
WRONG = runpy.run_path(str(HERE / "wrong" / "ragged.py"))["CASES"]
HONEST = runpy.run_path(str(HERE / "honest" / "ragged.py"))["REWRITES"]
SMOKE = {"lengths-ignored", "nothing-thrown-away"}
TIMEOUT = 120.0
MODEL_BUGS = ("masking", "position", "projection")
LEFT = [*({bug} for bug in MODEL_BUGS), set(MODEL_BUGS)]
KEYS = "            k = torch.cat((past.k, k), dim=2)  # (B, 1, T_past + T_new, C)\n"

Ask = Callable[[Mapping[str, str], str], Search]
Rewritten = Callable[..., dict[str, str]]
GradeFiles = Callable[..., Result]


@pytest.fixture
def ask(judged: Callable[..., AbstractContextManager[Context]]) -> Ask:
    """``ask(files, check)``: what the search for a failing case has found."""

    def ask(files: Mapping[str, str], check: str) -> Search:
        asked = BY_ID[check]
        with judged(files, "ragged") as context:
            return search(
                asked.cases, lambda case: ask_case(asked, case, context), seed=1, examples=asked.examples, shrink=False
            )

    return ask


def followup(result: Result) -> FollowUp:
    (found,) = (each for each in result.followups if each.id == ID)
    return found


def test_every_check_of_the_follow_up_has_caught_something(exercise: Exercise) -> None:
    asked = exercise.followups[ID]

    assert {check for check, _ in WRONG.values()} == {*asked.earns, *asked.takes}


def smoke(name: str, kind: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.smoke(kind)] if name in SMOKE else []


@pytest.mark.parametrize(
    ("check", "change"),
    [pytest.param(*case, id=name, marks=smoke(name, "wrong solution")) for name, case in WRONG.items()],
)
def test_a_wrong_solution_is_caught_by_the_check_meant_for_it(
    check: str, change: dict[str, object], rewritten: Rewritten, ask: Ask
) -> None:
    failure = ask(rewritten(change), check).failure

    assert failure is not None
    # A name that is not there would be the test's own mistake.
    assert not (isinstance(failure, PackageRaised) and failure.is_a("NameError")), failure


@pytest.mark.parametrize(
    "change",
    [pytest.param(change, id=name, marks=smoke(name, "honest rewrite")) for name, change in HONEST.items()],
)
def test_what_is_right_and_written_otherwise_has_full_marks(
    change: dict[str, object], rewritten: Rewritten, grade_files: GradeFiles
) -> None:
    found = followup(grade_files(rewritten(change), only=(ID,)))

    assert {check.id: check.message for check in found.checks if check.outcome is not Outcome.PASSED} == {}
    assert found.score == found.max_score


def test_the_reference_has_full_marks_when_it_is_asked_of_many_cases_too(
    exercise: Exercise, grade_files: GradeFiles
) -> None:
    found = followup(grade_files(exercise.reference, only=(ID,), thorough=True))

    assert found.status is Status.BUILT
    assert found.score == found.max_score


def test_the_starter_has_not_built_it(exercise: Exercise, grade_files: GradeFiles) -> None:
    found = followup(grade_files(exercise.starter(), only=(ID,)))

    assert found.status is Status.NOT_BUILT
    assert [check.id for check in found.checks] == list(exercise.followups[ID].essential)


@pytest.mark.parametrize("bugs", LEFT, ids=lambda bugs: "+".join(sorted(bugs)))
def test_a_bug_that_is_left_in_the_model_is_not_judged_again(
    bugs: set[str], exercise: Exercise, grade_files: GradeFiles
) -> None:
    found = followup(grade_files(exercise.variant(frozenset(bugs)), only=(*MODEL_BUGS, ID)))

    for check in found.checks:
        assert check.outcome in (Outcome.PASSED, Outcome.BLOCKED), (check.id, check.message)
        assert set(check.blocked_by) <= bugs
    assert found.checks[0].outcome is Outcome.PASSED


def test_a_cache_that_is_wrong_by_itself_is_not_judged_again(rewritten: Rewritten, grade_files: GradeFiles) -> None:
    change = {"model.py": [(KEYS, KEYS.replace("past.k", "past.v"))]}
    found = followup(grade_files(rewritten(change), only=("masking", "kv-cache", ID)))

    assert [(check.outcome, check.blocked_by) for check in found.checks] == [(Outcome.BLOCKED, ("kv-cache",))]


@pytest.mark.parametrize("check", ["ragged-rows-equal-alone", "ragged-rows-may-pause", "ragged-lengths-left-out"])
def test_a_snippet_shows_the_bug_and_nothing_where_there_is_none(
    check: str, rewritten: Rewritten, ask: Ask, worker_pool: WorkerPool, exercise: Exercise
) -> None:
    files = next(rewritten(change) for caught_by, change in WRONG.values() if caught_by == check)
    snippet = BY_ID[check].snippet
    assert snippet is not None
    script = Snippet(source=snippet(ask(files, check).case))
    with pytest.raises(PackageRaised, match="AssertionError"):
        Package(worker_pool, "candidate", files, TIMEOUT).ask(script, {})
    Package(worker_pool, "candidate", exercise.reference, TIMEOUT).ask(script, {})
