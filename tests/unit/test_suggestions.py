"""Who mistypes a name is told the one that was meant: of items, commands, options and values."""

from argparse import Namespace
from pathlib import Path

import pytest

from grader import UsageError
from grader.cli import hint
from grader.cli.main import parser
from grader.errors import did_you_mean
from grader.exercise.model import StoredExercise

ROOT = Path(__file__).resolve().parents[2]
ITEMS = ("masking", "position", "kv-cache", "position-schemes")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("mask", "masking"), ("maskin", "masking"), ("KV-Cache", "kv-cache"), ("kvcache", "kv-cache"),
     ("possition", "position")],
)  # fmt: skip
def test_what_is_near_is_proposed(typed: str, meant: str) -> None:
    assert did_you_mean(typed, ITEMS) == f"; did you mean {meant!r}?"


@pytest.mark.parametrize("typed", ["", "x", "dropout", "\x1b[2J"])
def test_what_is_far_from_everything_is_not(typed: str) -> None:
    assert did_you_mean(typed, ITEMS) == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["grad", "."], "invalid choice: 'grad' ", id="command"),
        pytest.param(["grade", ".", "--onli", "masking"], "unrecognized arguments: --onli masking", id="option"),
        pytest.param(["grade", ".", "--exercice=ex"], "unrecognized arguments: --exercice=ex", id="option-with-value"),
        pytest.param(["grade", ".", "--isolation", "proces"], "invalid choice: 'proces' ", id="value"),
        pytest.param(["report", "r.json", "--format", "markdow", "-o", "-"], "invalid choice: 'markdow' ", id="format"),
    ],
)  # fmt: skip
def test_the_command_line_proposes_what_was_meant(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    meant = {
        "grad": "grade", "--onli": "--only", "--exercice=ex": "--exercise", "proces": "process", "markdow": "markdown",
    }  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(arguments)
    last = capsys.readouterr().err.splitlines()[-1]
    (right,) = (meant[argument] for argument in arguments if argument in meant)

    assert ended.value.code == 2
    assert words in last
    assert last.endswith(f"; did you mean {right!r}?")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grade", ".", "--zzz"], "unrecognized arguments: --zzz"),
        (["grade", ".", "more"], "unrecognized arguments: more"),
    ],
    ids=["option", "argument"],
)
def test_what_resembles_nothing_is_refused_without_a_guess(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(arguments)
    told = capsys.readouterr().err

    assert ended.value.code == 2
    assert told.startswith("usage: grader grade ")
    assert told.endswith(f"grader grade: error: {words}\n")


def test_an_item_is_proposed_where_items_are_named(exercise: StoredExercise) -> None:
    with pytest.raises(UsageError, match=r"no such item: 'maskin'; this exercise has .*; did you mean 'masking'\?$"):
        exercise.asked(("maskin",))
    with pytest.raises(UsageError, match=r"no such item: 'mask'; this exercise has .*; did you mean 'masking'\?$"):
        hint.run(Namespace(directory=ROOT / "candidate", item="mask", exercise=None))
