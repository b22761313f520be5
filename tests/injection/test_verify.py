"""What makes an exercise unfair is found from its folder alone, whichever part of it was spoilt."""

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w

from grader.exercise.model import read_exercise
from grader.injection.choose import mutants
from grader.injection.verify import Verification, verify
from grader.sandbox.client import Launcher
from mutations.catalogue import operator

pytestmark = pytest.mark.slow  # everything is measured anew each time: some ten seconds

BUGS = ("mask-peeks-one-ahead", "optimizer-never-steps")
TEXTS, CHECKS, FIRST, SECOND, SUBSETS, REFERENCE, STARTER = range(7)
"""The findings, in their order."""


@pytest.fixture
def folder(generated: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of an exercise with two bugs, one in each file: of a mask, and of an optimizer."""
    return Path(shutil.copytree(generated(operators=BUGS), tmp_path / "ex"))


@pytest.fixture
def verified(folder: Path, launcher: Launcher) -> Callable[[], Verification]:
    """What is found of the copy, as it is by now."""
    return lambda: verify(read_exercise(folder), launcher, lambda _: None)


def wrong(found: Verification) -> dict[int, str]:
    """By the number of a finding, what is wrong."""
    return {number: finding.wrong for number, finding in enumerate(found.findings) if finding.wrong}


def edit_json(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "reference" / "key.json"
    key = json.loads(path.read_text())
    change(key)
    path.write_text(json.dumps(key))


def edit_toml(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "reference" / "exercise.toml"
    rubric = tomllib.loads(path.read_text())
    change(rubric)
    path.write_text(tomli_w.dumps(rubric))


def item_of(folder: Path, operator_id: str) -> str:
    """Which item a bug is: their order is drawn by the seed."""
    return next(bug.item for bug in read_exercise(folder).key.bugs if bug.operator == operator_id)


def test_as_it_was_built_it_is_sound(folder: Path, verified: Callable[[], Verification]) -> None:
    found = verified()
    key = read_exercise(folder).key

    assert wrong(found) == {}
    assert found.sound
    assert [finding.what for finding in found.findings[:1] + found.findings[SUBSETS:]] == [
        f"the starter is the reference with 2 edits and {len(key.stubs)} gaps",
        "all 4 subsets of the bugs are graded as they should be",
        "the reference scores 100 of 100",
        "the starter scores 0 of 100",
    ]
    assert found.findings[FIRST].what == f"bug-1 ({key.bugs[0].operator}) is seen by its checks on 3 seeds"
    assert found.matrix == {bug.item: bug.killed_by for bug in key.bugs}


def test_a_reference_that_is_wrong_itself_is_found(folder: Path, verified: Callable[[], Verification]) -> None:
    path = folder / "reference" / "train.py"
    text = path.read_text()
    # At the very end, so that no edit is moved.
    path.write_text(text + "\n\ndef learning_rate(step, config):\n    return config.lr\n")

    found = wrong(verified())

    assert TEXTS in found
    assert "fails " in found[CHECKS]
    assert "learning-rate-schedule" in found[CHECKS]


def test_a_reference_that_cannot_be_imported_is_a_fault_of_the_exercise(
    folder: Path, verified: Callable[[], Verification]
) -> None:
    path = folder / "reference" / "train.py"
    path.write_text(path.read_text() + "\n\n(\n")

    found = wrong(verified())

    assert {TEXTS, CHECKS, SUBSETS, REFERENCE, STARTER} <= found.keys()
    for number in (SUBSETS, REFERENCE, STARTER):
        assert "the reference gave no answer: SyntaxError" in found[number]


def test_a_proof_that_is_not_of_this_exercise_is_found(folder: Path, verified: Callable[[], Verification]) -> None:
    edit_json(folder, lambda key: (key["certificate"]["rows"].pop(), key["certificate"]["seeds"].pop()))

    found = verified()

    assert wrong(found) == {SUBSETS: "the proof that is kept in key.json differs"}
    assert found.findings[FIRST].what.endswith("on 2 seeds")


def test_points_for_a_check_that_does_not_see_the_bug_are_found(
    folder: Path, verified: Callable[[], Verification]
) -> None:
    name = item_of(folder, "mask-peeks-one-ahead")

    def misled(rubric: dict[str, Any]) -> None:
        item = next(item for item in rubric["item"] if item["id"] == name)
        item["earns"] = {"same-init": item["points"] - item["exact"]}
        item["takes"] = {}

    edit_toml(folder, misled)
    found = wrong(verified())

    assert found.keys() == {FIRST if name == "bug-1" else SECOND}
    assert set(found.values()) == {"not by same-init"}


def test_items_that_are_credited_for_the_other_bug_are_found(
    folder: Path, verified: Callable[[], Verification]
) -> None:
    def swapped(rubric: dict[str, Any]) -> None:
        one, other = rubric["item"][:2]
        for part in ("earns", "takes", "exact", "points"):
            mine, yours = one.pop(part, None), other.pop(part, None)
            one |= {} if yours is None else {part: yours}
            other |= {} if mine is None else {part: mine}

    edit_toml(folder, swapped)
    found = wrong(verified())

    assert {FIRST, SECOND} <= found.keys()
    assert found[FIRST].startswith("not by ")
    assert found[SECOND].startswith("not by ")


def test_a_facet_that_does_not_tell_a_bug_is_found(folder: Path, verified: Callable[[], Verification]) -> None:
    name = item_of(folder, "optimizer-never-steps")

    def moved(key: dict[str, Any]) -> None:
        next(bug for bug in key["bugs"] if bug["item"] == name)["shows_in"] = ["forward"]

    edit_json(folder, moved)
    found = wrong(verified())

    assert found[FIRST if name == "bug-1" else SECOND].startswith("shows in training")
    assert SUBSETS in found


def test_a_bug_that_crashes_beside_another_is_found(folder: Path, verified: Callable[[], Verification]) -> None:
    exercise = read_exercise(folder)
    name = item_of(folder, "mask-peeks-one-ahead")
    old = next(bug for bug in exercise.key.bugs if bug.item == name)
    edit = next(mutants(exercise.reference, [operator("mask-polarity-inverted")])).edit
    crash = msgspec.structs.replace(old, span=(edit.start, edit.end), before=edit.before, after=edit.after)
    bugs = [crash if bug.item == name else bug for bug in exercise.key.bugs]
    edit_json(folder, lambda key: key.update(bugs=msgspec.to_builtins(bugs)))

    found = wrong(verified())

    assert TEXTS in found  # the starter has the other bug
    assert "breaks forward" in found[FIRST if name == "bug-1" else SECOND]


def test_a_starter_with_points_is_found(folder: Path, verified: Callable[[], Verification]) -> None:
    """An extension that was not left out is built from the start."""
    edit_json(folder, lambda key: key.update(stubs=[stub for stub in key["stubs"] if stub["item"] != "classifier"]))

    found = wrong(verified())

    assert found[STARTER] == "scores 20"
    assert REFERENCE not in found
