"""In a generated exercise too, a correct solution is credited for every bug, however it is written.

Ten of the rewrites in ``honest/``, complete solutions all of them, are graded against two exercises.
"""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.exercise.model import Exercise, read_exercise
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.result.record import Lane, Role, Status
from grader.sandbox.client import Launcher
from grader.submission.read import submission_of

pytestmark = pytest.mark.slow  # a grade takes one to three seconds

HONEST = Path(__file__).with_name("honest")
REWRITES = (  # subject, name
    ("attention", "scaled-dot-product-attention-with-a-mask"),
    ("attention", "softmax-in-float32"),
    ("attention", "stacked-query-key-value"),
    ("attention", "norms-by-hand"),
    ("model", "positions-by-one-hot-rows"),
    ("model", "helper-imported-relatively"),
    ("classifier", "head-of-two-layers"),
    ("training", "gradients-cleared-after-the-step"),
    ("training", "for-loop-not-foreach"),
    ("training", "train-in-a-for-loop"),
)
EXERCISES = {
    "model-and-loop": ("mask-peeks-one-ahead", "optimizer-never-steps"),
    "norm-and-mode": ("final-norm-skipped", "trained-in-eval-mode", "clip-by-value"),
}


def rewrite_named(subject: str, name: str) -> dict[str, object]:
    """What a rewrite of the honest ones replaces."""
    table = runpy.run_path(str(HONEST / f"{subject}.py"))
    return dict({**table["SAME_BITS"], **table["OTHER_BITS"]}[name])


def read(generated: Callable[..., Path], which: str) -> Exercise:
    return read_exercise(generated(operators=EXERCISES[which]))


@pytest.mark.parametrize("which", EXERCISES)
@pytest.mark.parametrize(("subject", "name"), REWRITES, ids=[name for _, name in REWRITES])
def test_a_rewrite_has_every_bug_fixed(
    subject: str,
    name: str,
    which: str,
    generated: Callable[..., Path],
    rewritten: Callable[..., dict[str, str]],
    launcher: Launcher,
) -> None:
    exercise = read(generated, which)
    bugs = tuple(item.id for item in exercise.rubric.item if item.kind == "bug")
    files = rewritten(rewrite_named(subject, name))
    options = Options(only=bugs, seed=1, explain=False)

    result = Session(exercise, launcher, Keep.NOTHING).grade(submission_of("rewrite", files), options)

    assert {item.id: item.status for item in result.items} == dict.fromkeys(bugs, Status.FIXED)
    assert not result.remaining_bugs
    exact = {item.id: sum(c.max_score for c in item.checks if c.role is Role.EXACT) for item in result.items}
    assert min(exact.values()) > 0
    rounded = [item for item in result.items if item.lane is not Lane.BITWISE]
    charged = [item for item in rounded if item.score < item.max_score]
    assert len(charged) == bool(rounded)  # what rounds otherwise is one cause, and counts once
    for item in result.items:
        assert item.score == item.max_score - (exact[item.id] if item in charged else 0)


def test_the_exercises_have_bugs_in_the_model_and_in_the_loop(generated: Callable[..., Path]) -> None:
    for which, operators in EXERCISES.items():
        key = read(generated, which).key

        assert {bug.operator for bug in key.bugs} == set(operators)
        assert {bug.file for bug in key.bugs} == {"model.py", "train.py"}
