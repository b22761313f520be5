"""Who is right where single answers are asked, and wrong in ordinary use, is charged once, with the item that broke.

A candidate is compared with the variant that it was found to be: in training mode, as a new model, at larger sizes and
in whole runs of its own.
"""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.result.record import Lane, Result, Status

# Whole grades: what is charged to which item is put together from all that was asked.
CASES = runpy.run_path(str(Path(__file__).with_name("wrong") / "twins.py"))["CASES"]
BUGS = ("masking", "position", "projection", "training-step")


@pytest.mark.parametrize(("culprit", "status", "words", "change"), CASES.values(), ids=CASES.keys())
def test_it_is_charged_once_and_said_where(
    culprit: str,
    status: str,
    words: str,
    change: dict[str, object],
    rewritten: Callable[..., dict[str, str]],
    grade_files: Callable[..., Result],
) -> None:
    result = grade_files(rewritten(change), only=BUGS, explain=False)

    items = {item.id: item for item in result.items}
    touched_twice = "model.py" in change and "train.py" in change  # and the model is no variant either
    assert items[culprit].status == status
    assert words in items[culprit].summary
    assert items[culprit].score <= 5 or status == "partly"
    if not touched_twice:
        assert {
            name: item.score for name, item in items.items() if name != culprit and item.score < item.max_score
        } == {}
    assert (result.remaining_bugs == (culprit,)) is (status == "not-fixed")


DROPPED = """        y = attend(self.query(x), self.key(x), self.value(x), mask)  # (B, T, C)
        return self.dropout(self.proj(y))
"""
HONEST = {
    # Each draws other numbers than the reference does, or adds up in another order, in training alone.
    "dropout-drawn-in-another-order": {
        "model.py": [
            (
                DROPPED,
                DROPPED.replace(
                    "        return self.dropout(self.proj(y))\n",
                    "        p = self.dropout.p if self.training else 0.0\n"
                    "        kept = torch.empty_like(x).bernoulli_(1 - p) / (1 - p) if p else 1.0\n"
                    "        return self.proj(y) * kept\n",
                ),
            )
        ]
    },
    "positions-looked-up-for-each-row": {
        "model.py": [
            (
                "x = x + self.position_embedding(positions)",
                "x = x + self.position_embedding(positions.expand(tokens.shape))",
            )
        ]
    },
    "blocks-computed-again-in-the-backward-pass": {
        "model.py": [
            (
                "import torch\nfrom torch import Tensor, nn\n",
                "import torch\nfrom torch import Tensor, nn\nfrom torch.utils.checkpoint import checkpoint\n",
            ),
            (
                "            x = block(x, mask)\n",
                "            again = checkpoint(block, x, mask, use_reentrant=False) if self.training else None\n"
                "            x = block(x, mask) if again is None else again\n",
            ),
        ]
    },
}


@pytest.mark.parametrize("change", HONEST.values(), ids=HONEST.keys())
def test_what_is_right_in_another_way_in_training_keeps_full_marks(
    change: dict[str, object], rewritten: Callable[..., dict[str, str]], grade_files: Callable[..., Result]
) -> None:
    result = grade_files(rewritten(change), only=BUGS, explain=False)

    assert result.score == result.max_score
    assert {item.status for item in result.items} == {Status.FIXED}
    assert {item.lane for item in result.items} == {Lane.BITWISE}
