"""A correct solution is credited on every item, however it is written; only other bits cost the points for bits.

The rewrites stand in ``honest/``, one file a subject. ``SAME_BITS`` are those whose results must be the
reference's bit for bit on every machine; the bits of ``OTHER_BITS`` may differ, and mostly do.
"""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.exercise.model import Exercise
from grader.result.record import Lane, Result, Status

SUBJECTS = ("attention", "model", "cache", "classifier", "training", "sizes", "contract")
TABLES = {name: runpy.run_path(str(Path(__file__).with_name("honest") / f"{name}.py")) for name in SUBJECTS}
MODEL_ITEMS = ("masking", "position", "projection", "kv-cache", "classifier")
TRAIN_ITEMS = ("training-step", "classifier")
# Two of attention, one of each other subject; two of follow-ups stand in test_ragged.py and test_schemes.py.
EXACT = 3  # points of each bug
SMOKE = {
    "attention-mask-by-comparing-positions",
    "attention-scaled-dot-product-attention-is-causal",
    "model-positions-in-place",
    "cache-one-stacked-tensor",
    "classifier-head-with-the-random-state-put-back",
    "training-gradients-cleared-by-hand",
}


def rewrites(table: str) -> list[object]:
    """The rewrites of one table of every subject, each with its id."""
    named = {f"{subject}-{name}": change for subject in SUBJECTS for name, change in TABLES[subject][table].items()}
    return [
        pytest.param(change, id=name, marks=[pytest.mark.smoke("honest rewrite")] if name in SMOKE else [])
        for name, change in named.items()
    ]


def items_touched(change: dict[str, object]) -> tuple[str, ...]:
    """The items that depend on a file that was rewritten."""
    if not change or {"model.py", "train.py"} <= change.keys():
        return ()
    return TRAIN_ITEMS if "train.py" in change else MODEL_ITEMS


def assert_right(result: Result, *, exact: bool) -> None:
    """Every item is fixed or built; where bits differ, bug items have lost points for exactness alone, and for rounding
    those of one item: all three bugs of the model show in what one line computes."""
    assert {item.id: item.status for item in result.items} == {
        item.id: (Status.BUILT if item.id in ("kv-cache", "classifier") else Status.FIXED) for item in result.items
    }
    assert not result.remaining_bugs
    for group in (("masking", "position", "projection"), ("training-step",)):
        items = [item for item in result.items if item.id in group]
        lanes = {item.lane for item in items}
        once = EXACT if Lane.FLOAT64 in lanes else 0
        each = EXACT * sum(item.lane is Lane.FLOAT32 for item in items)
        assert sum(item.max_score - item.score for item in items) == once + each
    for item in result.items:
        if item.status is Status.BUILT:
            assert item.score == item.max_score
            continue
        assert item.lane in ({Lane.BITWISE} if exact else {Lane.BITWISE, Lane.FLOAT64, Lane.FLOAT32})


@pytest.mark.parametrize("change", rewrites("SAME_BITS"))
def test_the_same_bits_have_full_marks(
    change: dict[str, object],
    rewritten: Callable[..., dict[str, str]],
    grade_files: Callable[..., Result],
    explained: bool,
) -> None:
    result = grade_files(rewritten(change), only=items_touched(change), explain=explained)

    assert_right(result, exact=True)
    assert result.score == result.max_score


@pytest.mark.parametrize("change", rewrites("OTHER_BITS"))
def test_other_bits_cost_the_points_for_bits_alone(
    change: dict[str, object],
    rewritten: Callable[..., dict[str, str]],
    grade_files: Callable[..., Result],
    explained: bool,
) -> None:
    result = grade_files(rewritten(change), only=items_touched(change), explain=explained)

    assert_right(result, exact=False)


@pytest.mark.parametrize("import_line", ["from .lesson import *", "from lesson import *"], ids=["relative", "plain"])
def test_all_of_the_model_may_stand_in_another_file(
    import_line: str, exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    files = exercise.reference | {"lesson.py": exercise.reference["model.py"], "model.py": f"{import_line}\n"}

    result = grade_files(files, only=MODEL_ITEMS)

    assert_right(result, exact=True)
