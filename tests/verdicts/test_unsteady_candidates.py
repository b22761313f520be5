"""A candidate that answers the same question differently twice has failed for that, and the grader goes on."""

from collections.abc import Callable

import pytest

from grader.result.record import Outcome, Result

LOGITS = "        logits = self.lm_head(x)  # (B, T, V)\n"
CLASS = "class GPT(nn.Module):\n"
COUNTED = CLASS + "    calls = 0\n\n"
STEP = "    optimizer.step()\n"

UNSTEADY = {
    "noise-of-torch": {"model.py": [(LOGITS, LOGITS + "        logits = logits + 1e-6 * torch.rand_like(logits)\n")]},
    "noise-of-the-clock": {
        "model.py": [
            ("import math\n", "import math\nimport time\n"),
            (LOGITS, LOGITS + "        logits = logits * (1 + 1e-6 * (time.perf_counter_ns() % 997))\n"),
        ]
    },
    "every-fifth-call": {
        "model.py": [
            (CLASS, COUNTED),
            (LOGITS, LOGITS + "        GPT.calls += 1\n        logits = logits + (GPT.calls % 5 == 0)\n"),
        ]
    },
    "once-in-a-while": {
        "model.py": [
            (CLASS, COUNTED),
            (LOGITS, LOGITS + "        GPT.calls += 1\n        logits = logits + (GPT.calls == 10)\n"),
        ]
    },
}


@pytest.mark.parametrize("change", UNSTEADY.values(), ids=UNSTEADY.keys())
def test_it_has_failed_and_is_judged_to_the_end(
    change: dict[str, object], rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    result = grade_files(rewritten(change), only=("masking", "position", "projection"))

    outcomes = {check.outcome for item in result.items for check in item.checks}
    assert Outcome.FAILED in outcomes
    assert Outcome.NOT_JUDGED not in outcomes
    assert result.score < result.max_score


def test_a_counter_in_the_training_loop_is_called_not_deterministic(
    rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    noisy = "    for p in model.parameters():\n        p.grad.mul_(1 + 1e-3 * random.random())\n" + STEP

    (item,) = grade_files(rewritten({"train.py": [(STEP, noisy)]}), only=("training-step",)).items

    messages = {check.id: check.message for check in item.checks}
    assert "not deterministic" in messages["training-repeats"]


def test_a_model_that_switches_by_a_counter_is_called_not_deterministic(
    rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    result = grade_files(rewritten(UNSTEADY["every-fifth-call"]), only=("masking", "position", "projection"))

    messages = [check.message for item in result.items for check in item.checks]
    assert any("not deterministic" in message for message in messages)
