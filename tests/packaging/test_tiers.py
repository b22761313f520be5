"""What `make test` runs: all that is not slow, and of what is slow a selection that is always the same."""

import argparse
import re
from collections import defaultdict
from pathlib import Path

import pytest

from grader.cli.main import parser

TESTS = Path(__file__).resolve().parents[1]
NEEDS_AN_EXTRA = re.compile(r"^pytest\.importorskip\(", re.MULTILINE)  # without which nothing of the file is collected


@pytest.fixture
def smoke(collected: list[pytest.Item]) -> dict[str, list[str]]:
    """By kind, the tests that are chosen, by their names."""
    left_out = set(TESTS.rglob("test_*.py")) - {item.path for item in collected}
    if not all(NEEDS_AN_EXTRA.search(path.read_text("utf-8")) for path in left_out):
        pytest.skip("some of the tests were not collected")
    chosen = defaultdict(list)
    for item in collected:
        for mark in item.iter_markers("smoke"):
            chosen[mark.args[0]].append(item.name)
    return chosen


def test_of_each_kind_there_is_what_is_promised(smoke: dict[str, list[str]]) -> None:
    counts = {kind: len(names) for kind, names in smoke.items() if not kind.startswith("grader ")}
    cheats = counts.pop("cheat")

    assert counts == {"grade": 6, "wrong solution": 8, "honest rewrite": 8, "page": 1, "own GPT": 1}
    assert cheats >= 8


def test_each_command_is_run_once(smoke: dict[str, list[str]]) -> None:
    (commands,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    run = {kind: len(names) for kind, names in smoke.items() if kind.startswith("grader ")}

    assert run == {f"grader {command}": 1 for command in commands.choices}


def test_each_folder_of_cheats_has_one(smoke: dict[str, list[str]]) -> None:
    names = "".join(smoke["cheat"])
    folders = {path.parent.name for path in TESTS.glob("cheats/submissions/*/*.toml")}

    assert {folder: names.count(f"[{folder}-") for folder in folders} == dict.fromkeys(folders, 1)


def test_what_is_chosen_is_slow(collected: list[pytest.Item]) -> None:
    chosen = [item for item in collected if item.get_closest_marker("smoke")]

    assert [item.nodeid for item in chosen if not item.get_closest_marker("slow")] == []
