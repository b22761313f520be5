"""What most tests here rely on: a grade that shares its questions and what the reference answers is the same grade."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.exercise.model import Exercise
from grader.result.record import Lane, Outcome, Result, Status, untimed

HERE = Path(__file__).parent
WRONG = (
    ("masking", "after-the-softmax"),
    ("training", "never-cleared"),
    ("cache", "values-from-keys"),
)
HONEST = (("attention", "einsum"),)
Verdict = dict[str, tuple[Status, float, Lane | None, dict[str, Outcome]]]


def case_of(folder: str, table: str, subject: str, name: str) -> dict[str, object]:
    """What of the reference one of the cases replaces."""
    case = runpy.run_path(str(HERE / folder / f"{subject}.py"))[table][name]
    return dict(case[-1] if folder == "wrong" else case)


CASES = {
    "reference": {},
    **{f"wrong-{subject}-{name}": case_of("wrong", "CASES", subject, name) for subject, name in WRONG},
    **{f"honest-{subject}-{name}": case_of("honest", "OTHER_BITS", subject, name) for subject, name in HONEST},
}


def verdict(result: Result) -> Verdict:
    """All that is decided about a submission, without the cases that it was decided by."""
    return {
        item.id: (item.status, item.score, item.lane, {check.id: check.outcome for check in item.checks})
        for item in result.items
    }


@pytest.mark.parametrize("case", ["starter", *CASES])
def test_neither_questions_nor_answers_that_are_shared_change_a_verdict(
    case: str, exercise: Exercise, rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    files = exercise.starter() if case == "starter" else rewritten(CASES[case])
    own = grade_files(files, session=None, shared=False)
    # Twice: the second time everything is known.
    anew, first, second = (untimed(grade_files(files, **options)) for options in ({"session": None}, {}, {}))

    assert first == anew
    assert second == anew
    assert verdict(own) == verdict(anew)
