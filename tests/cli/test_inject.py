"""``grader inject`` as a user meets it: what it prints, how it refuses, and what is left when it is interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.cli.inject import description
from grader.exercise.model import Exercise
from grader.injection.build import Built
from grader.injection.choose import mutants
from grader.injection.manifest import hashes_of
from grader.injection.recipe import read_reference
from mutations.catalogue import operator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation and /proc are Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]

Grader = Callable[..., subprocess.CompletedProcess[str]]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# What it builds


def test_an_exercise_is_built_told_and_the_same_as_in_any_other_process(
    generated: Callable[..., Path], tmp_path: Path
) -> None:
    target = tmp_path / "ex"
    command = [sys.executable, "-m", "grader", "inject", "-o", str(target), "--seed", "1", "--bugs", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)

    assert done.returncode == 0
    assert everything(target) == everything(generated(seed=1, bugs=3))
    assert os.listdir(tmp_path) == ["ex"]
    assert done.stdout.startswith("A GPT with 3 bugs and 2 things to build (gpt-")
    assert re.findall(r"^  (bug-\d)  \S+ \(\S+\), (?:easy|medium|hard)$", done.stdout, flags=re.MULTILINE) == [
        "bug-1",
        "bug-2",
        "bug-3",
    ]
    assert len(re.findall(r"^         (?:model|train)\.py, seen by \S+", done.stdout, flags=re.MULTILINE)) == 3
    assert "Proven: all 8 subsets of the bugs are graded as they should be." in done.stdout
    assert f"Written: {target}\n" in done.stdout
    assert all(line.startswith("grader: ") for line in done.stderr.splitlines())


def test_a_reference_with_other_line_ends_is_read_with_plain_ones(exercise: Exercise, tmp_path: Path) -> None:
    """Among others, the lines that are planted would stand out."""
    for ends in ("\r\n", "\r"):
        for name, text in exercise.reference.items():
            (tmp_path / name).write_bytes(text.replace("\n", ends).encode())

        assert read_reference(tmp_path) == (tmp_path, exercise.reference)


def test_what_was_passed_over_is_said_with_the_reason(exercise: Exercise) -> None:
    first, second = list(mutants(exercise.reference, [operator("scale-missing"), operator("mask-flipped")]))[:2]
    rejected = ((first, "it is easy, not hard"), (second, "no check sees it on every seed"))

    assert "passed over" not in description(Built(exercise, {}, ()), Path("ex"))
    assert (
        "\nDrawn too, and passed over:\n"
        "  scale-missing: it is easy, not hard\n"
        "  mask-flipped: no check sees it on every seed\n\n"
        "Proven: all 16 subsets of the bugs are graded as they should be.\n"
    ) in description(Built(exercise, {}, rejected), Path("ex"))


def test_progress_names_no_bug(grader: Grader, tmp_path: Path) -> None:
    done = grader("inject", "-o", tmp_path / "ex", "--bug", "optimizer-never-steps")

    assert done.returncode == 0
    assert "A GPT with 1 bug and 2 things to build" in done.stdout
    assert len(done.stderr.splitlines()) > 3
    assert "optimizer" not in done.stderr


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--bugs", "7"], ["--bugs", "invalid choice"], id="seven-bugs"),
        pytest.param(["--bugs", "0"], ["--bugs", "invalid choice"], id="no-bugs"),
        pytest.param(["--bug", *"abcdefg"], ["7 bugs asked for; an exercise has 1 to 6"], id="seven-by-name"),
        pytest.param(["--bug", "mask-flipped", "mask-flipped"], ["'mask-flipped' is asked for twice"], id="twice"),
        pytest.param(["--bugs", "2", "--bug", "mask-flipped"], ["not allowed with"], id="both"),
        pytest.param(["--difficulty", "extreme"], ["--difficulty", "'extreme'"], id="difficulty"),
        pytest.param(["--seed", "-1"], ["--seed", "not a whole number"], id="seed"),
        pytest.param(["--from", "absent"], ["no such directory: ", "absent'; expected a directory"], id="absent"),
        pytest.param(["--from", "."], ["no model.py in "], id="no-reference"),
        pytest.param(["--bug", "mask-fliped"], ["did you mean 'mask-flipped'"], id="unknown"),
        pytest.param(["--bug", "cache-changed-in-place"],
                     ["'cache-changed-in-place' finds no site", "needs the cache", "--keep-extensions"], id="no-site"),
        pytest.param(["--bug", "mask-flipped", "mask-polarity-inverted"],
                     ["gives 1 of the 2 bugs asked for", "\n  mask-"], id="one-clashes"),
        pytest.param(["--from", ROOT / "candidate"], ["extensions cannot be taken out"], id="starter"),
        pytest.param(["--from", ROOT / "candidate", "--keep-extensions"],
                     ["the reference is not right itself: it fails ", "future-is-hidden"], id="wrong-reference"),
    ],
)  # fmt: skip
def test_what_cannot_be_met_is_refused_and_leaves_no_folder(
    grader: Grader, arguments: list[object], words: list[str], tmp_path: Path
) -> None:
    done = grader("inject", "-o", "ex", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert os.listdir(tmp_path) == []


def test_what_is_in_the_way_is_left_alone(grader: Grader, tmp_path: Path) -> None:
    (tmp_path / "ex").mkdir()
    (tmp_path / "ex" / "thesis.tex").write_text("years of work")
    for force, words in (((), "'ex' exists"), (("--force",), "'ex' is not an exercise")):
        done = grader("inject", "-o", "ex", *force, cwd=tmp_path)

        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"grader: {words}")
    assert everything(tmp_path) == {"ex/thesis.tex": b"years of work"}


# Interruptions


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        pytest.param("the reference", signal.SIGINT, id="starting"),
        pytest.param("measuring a bug (2)", signal.SIGTERM, id="measuring"),
        pytest.param("subset 2", signal.SIGINT, id="proving"),
    ],
)
def test_an_interruption_leaves_no_process_and_no_folder(
    moment: str, number: signal.Signals, interrupt: Callable[..., None]
) -> None:
    interrupt("inject", "-o", "ex", "--bugs", "2", moment=moment, number=number)


# In bulk


def test_a_bulk_that_was_killed_goes_on_and_is_what_each_seed_gives_alone(
    generated: Callable[..., Path], children: Callable[[], list[int]], tmp_path: Path
) -> None:
    """Killed with one exercise built by one job, gone on with by two: a third way is an exercise built by itself."""
    bug, target, seeds = "seed-is-always-the-same", tmp_path / "bulk", range(3)
    command = [sys.executable, "-m", "grader", "inject", "--bug", bug, "--keep-extensions", "-o", str(target)]
    others = children()
    with subprocess.Popen([*command, "--seeds", "0-2", "--jobs", "1"], stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        assert any("[1/3] seed 0" in line for line in first.stderr)
        first.kill()
    deadline = time.monotonic() + 60
    while (left := [pid for pid in children() if pid not in others]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []

    done = subprocess.run([*command, "--seeds", "0-2", "--jobs", "2"], capture_output=True, text=True, timeout=600)

    assert (done.returncode, "2 seeds to build, 1 built before" in done.stderr) == (0, True)
    lines = [json.loads(line) for line in (target / "manifest.jsonl").read_text().splitlines()]
    assert [line["seed"] for line in lines] == list(seeds)
    kept = {line["seed"]: line["hashes"]["bugs"] for line in lines if line["status"] == "built"}
    # It has two sites: of three seeds two have the same bug, whichever they are.
    assert len(set(kept.values())) == len(kept) < len(seeds)
    for line in lines:
        alone = generated(seed=line["seed"], operators=(bug,), keep_extensions=True)
        if line["status"] == "built":
            assert everything(target / line["folder"]) == everything(alone)
        else:
            assert line["hashes"]["bugs"] == kept[line["same_as"]]
            assert line["same_as"] < line["seed"]
            assert hashes_of(everything(alone))["starter"] == line["hashes"]["starter"]
    assert sorted(os.listdir(target)) == ["bulk.json", "manifest.jsonl", *(f"seed-{seed}" for seed in kept)]
