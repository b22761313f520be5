"""Edits that are no bugs are turned down: nothing that a model does tells them from the reference."""

import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from grader.checks.catalogue import MEASURED_BY
from grader.errors import UsageError
from grader.exercise.model import Exercise
from grader.injection.choose import Chooser, Mutant
from grader.injection.observe import Observer
from grader.injection.recipe import Recipe
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from mutations.catalogue import operator
from mutations.edit import Edit

pytestmark = [
    pytest.mark.slow,  # each is asked all that can be compared, and what rounds otherwise every check
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

NEVER_TOLD = "no comparison with the reference tells it: mostly equivalent here, or code that is never run"
TOLD_BY_BITS_ALONE = "no check sees it on every seed"

SCORES = "scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))"
WEIGHTS = 'weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)'
MASK = "return torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)"

SAME_BITS = {
    "operands-swapped": (
        "model.py",
        "x + self.position_embedding(positions)",
        "self.position_embedding(positions) + x",
    ),
    "masked-again-after-the-softmax": ("model.py", "return weights @ v", "return weights.masked_fill(mask, 0.0) @ v"),
    "local-renamed": (
        "model.py",
        f"{WEIGHTS}\n    return weights @ v",
        f"{WEIGHTS.replace('weights', 'shares')}\n    return shares @ v",
    ),
    "dead-code-after-a-return": ("model.py", MASK, f"{MASK}\n    {MASK.replace('diagonal=1', 'diagonal=2')}"),
    "no-dropout-layer-without-dropout": (
        "model.py",
        "self.dropout = nn.Dropout(config.dropout)\n        self.blocks",
        "self.dropout = nn.Dropout(config.dropout) if config.dropout > 0 else nn.Identity()\n        self.blocks",
    ),
    "least-warm-up-written-otherwise": ("train.py", "max(1, config.warmup)", "(config.warmup or 1)"),
    "bound-that-is-never-reached": (
        "train.py",
        "min(1.0, (step + 1) / max(1, config.warmup))",
        "max(0.0, min(1.0, (step + 1) / max(1, config.warmup)))",
    ),
    "factors-swapped": (
        "train.py",
        "lm_loss + class_weight * class_loss, lm",
        "lm_loss + class_loss * class_weight, lm",
    ),
    "code-that-is-never-run": ("train.py", "if step % 20 == 0:", "if step % 20 == 1:"),
}

OTHER_ROUNDING = {
    "constant-added-to-all-scores": ("model.py", SCORES, f"{SCORES} + 1"),
    "scaled-by-a-power": ("model.py", "/ math.sqrt(q.size(-1))", "* q.size(-1) ** -0.5"),
    "softmax-by-its-logarithm": ("model.py", ".softmax(dim=-1)", ".log_softmax(dim=-1).exp()"),
}


@pytest.fixture(scope="module")
def observer(exercise: Exercise, launcher: Launcher) -> Iterator[Observer]:
    """Compares with our reference, in all that can be asked."""
    worker_pool = WorkerPool(launcher)
    yield Observer(worker_pool, exercise.reference, MEASURED_BY, [0])
    worker_pool.close()


def edited(name: str, exercise: Exercise, file: str, before: str, after: str) -> Mutant:
    """The reference with one text in the place of another that it holds once."""
    text = exercise.reference[file]
    assert text.count(before) == 1, f"{before!r} is not to be found, or not the only one"
    start = len(text[: text.index(before)].encode())
    of = replace(operator("mask-flipped"), id=name, file=file)  # type: ignore[arg-type]
    return Mutant(of, Edit(file, start, start + len(before.encode()), before, after), 0)


def turned_down(mutant: Mutant, exercise: Exercise, observer: Observer) -> str:
    """Why no exercise gets this edit; there must be a reason."""
    chooser = Chooser(Recipe(bugs=1), [mutant], lambda each, _: observer.observe(each.files(exercise.reference)))
    with pytest.raises(UsageError):
        chooser.choose()
    ((_, reason),) = chooser.rejected
    return reason


@pytest.mark.parametrize("name", SAME_BITS)
def test_what_changes_no_bit_is_turned_down(name: str, exercise: Exercise, observer: Observer) -> None:
    assert turned_down(edited(name, exercise, *SAME_BITS[name]), exercise, observer) == NEVER_TOLD


@pytest.mark.parametrize("name", OTHER_ROUNDING)
def test_what_rounds_otherwise_is_turned_down_and_no_check_minds(
    name: str, exercise: Exercise, observer: Observer
) -> None:
    assert turned_down(edited(name, exercise, *OTHER_ROUNDING[name]), exercise, observer) == TOLD_BY_BITS_ALONE


def test_a_bug_is_not_turned_down(exercise: Exercise, observer: Observer) -> None:
    """The same way of asking does see a bug."""
    bug = edited("mask", exercise, "model.py", MASK, MASK.replace("diagonal=1", "diagonal=2"))
    seen = observer.observe(bug.files(exercise.reference))

    assert {"future-is-hidden"} <= set(seen.killed_by)
    assert "forward" in seen.shows_in
