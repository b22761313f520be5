"""What a submission changed is shown line by line, in a size that cannot be blown up."""

import pytest

from grader.exercise.model import Exercise
from grader.limits import DIFF_FILE_MAX_CHARACTERS, DIFF_FILE_MAX_LINES, DIFF_MAX_CHARACTERS
from grader.submission.diff import changes

STARTER = {"model.py": "one\ntwo\nthree\n", "train.py": "a\nb\n"}


def test_files_that_are_the_starters_are_not_mentioned() -> None:
    assert changes(STARTER, STARTER) == ()


def test_the_solution_mends_the_training_loop_in_one_line(exercise: Exercise) -> None:
    without_stubs = exercise.variant(frozenset({"training-step"}))
    (change,) = changes(without_stubs, exercise.reference)

    assert (change.file, change.added, change.removed) == ("train.py", 1, 0)
    assert change.lines_after == len(exercise.reference["train.py"].splitlines())
    assert "\n+    optimizer.step()" in change.diff


def test_a_changed_line_is_one_removed_and_one_added() -> None:
    (change,) = changes(STARTER, STARTER | {"model.py": "one\n2\nthree\n"})

    assert (change.added, change.removed, change.left_out) == (1, 1, 0)
    assert change.diff == "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three"


def test_new_files_and_files_that_are_gone_are_told_apart() -> None:
    found = changes(STARTER, {"model.py": STARTER["model.py"], "extra.py": "x\ny\n"})

    assert [(c.file, c.lines_before, c.lines_after, c.added, c.removed) for c in found] == [
        ("extra.py", None, 2, 2, 0),
        ("train.py", 2, None, 0, 2),
    ]


@pytest.mark.parametrize(
    "text",
    ["one\r\ntwo\r\nthree\r\n", "one\n\x1b[31mtwo\x1b[0m\nthree\n", "one\ntwo\u200b\nthree", "one\u2028two\x0cthree\n"],
    ids=["line-ends", "colours", "invisible", "other-line-ends"],
)
def test_what_cannot_be_seen_is_no_change(text: str) -> None:
    assert changes(STARTER, STARTER | {"model.py": text}) == ()


def test_no_line_of_a_submission_can_pass_for_a_line_of_the_diff() -> None:
    (change,) = changes(STARTER, STARTER | {"train.py": "a\nb\n@@ -1 +1 @@\r-gone\x85+new\n"})

    assert change.diff.splitlines()[3:] == ["+@@ -1 +1 @@", "+-gone", "++new"]
    assert (change.added, change.removed) == (3, 0)


def test_a_flood_is_cut_at_whole_lines_and_counted_whole() -> None:
    flood = "".join(f"line {number} {'x' * 100}\n" for number in range(2 * DIFF_FILE_MAX_LINES))
    (change,) = changes(STARTER, STARTER | {"flood.py": flood})

    assert len(change.diff) <= DIFF_FILE_MAX_CHARACTERS
    assert change.added == 2 * DIFF_FILE_MAX_LINES
    assert change.diff.count("\n") + change.left_out == 2 * DIFF_FILE_MAX_LINES  # and the line that says where


def test_many_floods_together_stay_within_one_limit() -> None:
    flood = f"{'x' * 1000}\n" * 500
    found = changes(STARTER, STARTER | {f"flood{number}.py": flood for number in range(60)})

    assert sum(len(change.diff) for change in found) <= DIFF_MAX_CHARACTERS
    assert {change.added for change in found} == {500}
