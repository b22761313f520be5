"""What is right up to rounding says so once, with the changed line that does it; what is off by more is no rounding."""

from collections.abc import Callable, Iterator

import pytest

from grader.comparisons.forward import COMPARISON as FORWARDS
from grader.exercise.model import Exercise
from grader.grading.reordered import Trials
from grader.grading.session import Session
from grader.grading.variants import Variants
from grader.packages.package import Package
from grader.packages.worker_pool import WorkerPool
from grader.result.record import CheckResult, Outcome, Result, Role, Status
from grader.seeds import Seeds

SCORES = "    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (..., T, T)\n"
SCALED = "    scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(q.size(-1)))\n"
NOISE = "        logits = self.lm_head(x)  # (B, T, V)\n"
NONE: frozenset[str] = frozenset()


def exact(result: Result) -> list[CheckResult]:
    """The checks for identical bits, of the items that have one."""
    return [check for item in result.items for check in item.checks if check.role is Role.EXACT]


@pytest.fixture
def trials(exercise: Exercise, worker_pool: WorkerPool, session: Session) -> Iterator[Callable[[dict[str, str]], str]]:
    """``trials(files)``: the place that is told."""
    answer_cache = session._answer_cache
    variants = Variants(exercise, Seeds(1, "rounding"), lambda name, files: answer_cache.oracle(0, name, files))

    def told(files: dict[str, str], bugs: frozenset[str] = NONE) -> str:
        return Trials(files, exercise, variants, lambda tried: Package(worker_pool, "candidate", tried, 120.0)).lines(
            FORWARDS, bugs
        )

    with answer_cache.lent(worker_pool):
        yield told


def test_a_scale_applied_otherwise_costs_3_points_in_all_and_is_told(
    exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    """From the starter's text, as a learner has it. A whole grade, since it is about what becomes of three items."""
    files = exercise.variant(NONE)
    files = {**files, "model.py": files["model.py"].replace(SCORES, SCALED)}

    result = grade_files(files, only=("masking", "position", "projection"), explain=True)

    assert result.score == result.max_score - 3
    assert {item.status for item in result.items} == {Status.FIXED}
    assert [check.outcome for check in exact(result)] == [Outcome.FAILED, Outcome.PASSED, Outcome.PASSED]
    charged, *others = exact(result)
    assert charged.message.startswith(
        "right up to rounding: an operation stands in another order than in the starter (model.py, line "
    )
    assert SCALED.strip() in charged.message
    assert "ULP of float32 apart" in charged.message
    assert not charged.usual_causes[0].startswith("The bug is still in")
    assert [check.message for check in others] == [
        "right up to rounding; the points for that are taken once, at Attention masking"
    ] * 2
    assert [item.hints for item in result.items] == [(), (), ()]


@pytest.mark.parametrize("amount", ["1e-7", "1e-5"])
def test_noise_is_no_rounding(
    amount: str, rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    """It may still be right in float32; it loses each item's points, as it did, and those of a wrong result too."""
    noisy = {"model.py": [(NOISE, f"{NOISE}        logits = logits + {amount} * logits.detach().sin()\n")]}

    result = grade_files(rewritten(noisy), only=("masking", "position", "projection"))

    assert [check.outcome for check in exact(result)] == [Outcome.FAILED] * 3
    assert not any("right up to rounding" in check.message for check in exact(result))
    assert result.score <= result.max_score - 9


def test_the_line_that_does_it_is_told_apart_from_others_that_were_changed(
    exercise: Exercise, trials: Callable[..., str]
) -> None:
    text = exercise.reference["model.py"].replace(SCORES, SCALED)
    text = text.replace("        T = tokens.size(1)\n", "        _, T = tokens.shape\n")

    assert trials({**exercise.reference, "model.py": text}).endswith(f": {SCALED.strip()}")


def test_what_was_written_from_nothing_is_not_told(exercise: Exercise, trials: Callable[..., str]) -> None:
    text = exercise.reference["model.py"].replace(SCORES, SCALED)
    files = {**exercise.reference, "model.py": "from all import *\n", "all.py": text}

    assert trials(files) == ""


def test_two_places_that_do_it_together_are_not_told(exercise: Exercise, trials: Callable[..., str]) -> None:
    text = exercise.reference["model.py"].replace(SCORES, SCALED)
    text = text.replace("        x = self.ln_f(x)\n", "        x = self.ln_f(x * 3.0)\n")

    assert trials({**exercise.reference, "model.py": text}) == ""


def test_a_line_that_was_taken_out_is_told_by_the_one_before(exercise: Exercise, trials: Callable[..., str]) -> None:
    text = exercise.reference["model.py"].replace("        x = F.gelu(self.fc(x))  # (B, T, 4C)\n", "")

    assert trials({**exercise.reference, "model.py": text}).startswith("model.py, after line ")
