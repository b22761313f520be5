"""A model that gives no numbers is told that, once: nothing else reads NaN as something that it is not."""

import warnings
from collections.abc import Callable
from math import inf, nan

import pytest

from grader.checks.families.classifier import agrees
from grader.report.exhibits import leaks
from grader.result.record import Outcome, Result, Role, Status

TRIANGLE = ".triu(diagonal=1)  # (T, T)\n"
OVERMASKED = {"model.py": [(TRIANGLE, ".triu(diagonal=0)  # (T, T)\n")]}
SUM = "        x = self.embed(tokens, torch.arange(T, device=tokens.device))  # (B, T, C)\n"


@pytest.fixture(scope="module")
def overmasked(rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]) -> Result:
    """A mask whose first row hides everything, all else right. Whole, since every item has to wait for it."""
    return grade_files(rewritten(OVERMASKED), explain=True)


def test_one_check_says_where_the_numbers_end(overmasked: Result) -> None:
    masking = overmasked.items[0]

    [failed] = [check for check in masking.checks if check.outcome is Outcome.FAILED and check.role is not Role.EXACT]
    assert failed.id == "logits-are-finite"
    assert failed.message == (
        "at position 0 of row 0 the logits are NaN; blocks.0.attn is the first module that makes this of finite numbers"
    )
    assert (masking.status, masking.score) == (Status.NOT_FIXED, 0)


def test_all_that_needs_a_forward_waits_for_it(overmasked: Result) -> None:
    items = {item.id: item for item in overmasked.items}

    assert [name for name, item in items.items() if item.status is Status.WAITS] == [
        "position",
        "projection",
        "kv-cache",
        "classifier",
    ]
    assert items["training-step"].score == 15
    assert {check.blocked_by for item in items.values() for check in item.checks} == {(), ("masking",)}


def test_no_picture_calls_it_a_leak(overmasked: Result) -> None:
    influence = overmasked.exhibits.influence

    assert influence is not None
    assert influence.candidate[0] == (None,) * len(influence.tokens)
    assert leaks(influence) == 0


def test_who_is_asked_alone_waits_too(
    rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    [position] = grade_files(rewritten(OVERMASKED), only=("position",)).items

    assert position.status is Status.WAITS
    assert {check.blocked_by for check in position.checks} == {("masking",)}


def test_what_is_not_built_is_still_not_built(
    rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result], exercise: object
) -> None:
    stub = "def evaluate(model: nn.Module, batches: Iterable[Batch]) -> dict[str, float | None]:\n"
    unbuilt = {**OVERMASKED, "train.py": [(stub, f"{stub}    raise NotImplementedError\n")]}

    [classifier] = grade_files(rewritten(unbuilt), only=("classifier",)).items

    outcomes = {check.id: (check.outcome, check.unbuilt) for check in classifier.checks}
    assert outcomes["evaluate-is-honest"] == (Outcome.BROKEN, True)


def test_infinities_are_no_numbers_either_in_long_texts_alone(
    rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    late = {"model.py": [(SUM, f"{SUM}        x = x + (math.inf if T > 40 else 0.0)\n")]}

    [masking] = grade_files(rewritten(late), only=("masking",)).items

    assert {check.id: check.outcome for check in masking.checks}["logits-are-finite"] is Outcome.FAILED


@pytest.mark.parametrize(("one", "other", "same"), [(nan, nan, True), (nan, 1.0, False), (1.0, inf, False)])
def test_nan_is_nan(one: float, other: float, same: bool) -> None:
    assert agrees(one, other) is same


@pytest.mark.parametrize(
    ("item", "change", "seen"),
    [
        pytest.param(
            "classifier", ("return self.class_head(x)  #", "return self.class_head(x) / 0.0  #"), "is NaN or infinite",
            id="scores-of-classes",
        ),
        pytest.param(
            "kv-cache", ("return logits, KVCache(", "return logits * (float('inf') if T_past else 1), KVCache("),
            "they differ", id="logits-with-a-cache",
        ),
    ],
)  # fmt: skip
def test_what_else_is_infinite_is_told_as_that_and_by_no_warning_of_numpys(
    item: str,
    change: tuple[str, str],
    seen: str,
    rewritten: Callable[..., dict[str, str]],
    grade_files: Callable[..., Result],
) -> None:
    """Grades of one item: a warning comes from whichever check does arithmetic with it."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        [graded] = grade_files(rewritten({"model.py": [change]}), only=(item,)).items

    assert not [(str(w.message), w.filename, w.lineno) for w in warned]
    assert (graded.status, graded.score) == (Status.WRONG, 0)
    assert [check.message for check in graded.checks if seen in check.message]
