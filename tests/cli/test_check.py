"""``grader grade --check``: a recorded verdict is reached again, or it is said what differs."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "candidate"

Grader = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def recorded(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of the starter on two items, with a seed drawn in secret."""
    path = tmp_path_factory.mktemp("recorded") / "result.json"
    grader("grade", STARTER, "--only", "training-step", "projection", "--json", path)
    return path


def changed(path: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    result = json.loads(path.read_text())
    change(result)
    target.write_text(json.dumps(result))
    return target


def test_a_true_result_is_confirmed_with_its_own_seed_and_items(grader: Grader, recorded: Path, tmp_path: Path) -> None:
    done = grader("grade", STARTER, "--check", recorded, "--json", tmp_path / "again.json")

    assert (done.returncode, done.stdout.splitlines()[-2]) == (0, "The verdict is the same.")
    first, again = (json.loads(path.read_text()) for path in (recorded, tmp_path / "again.json"))
    assert first["environment"] == again["environment"]
    assert first["integrity"] == again["integrity"]
    assert first["asked"] == again["asked"]
    assert first["asked"] == {
        "only": ["training-step", "projection"],
        "followups": True,
        "thorough": False,
        "timeout": 10.0,
        "shared": False,
    }


def test_a_raised_score_is_found_out(grader: Grader, recorded: Path, tmp_path: Path) -> None:
    def raise_it(result: dict[str, Any]) -> None:
        result["score"] = result["items"][1]["score"] = 15
        result["items"][1]["status"] = "fixed"

    done = grader("grade", STARTER, "--check", changed(recorded, tmp_path / "forged.json", raise_it))

    assert done.returncode == 1
    assert "recorded 15 of 15, Fixed\n           here     0 of 15, Not fixed" in done.stdout
    assert done.stdout.splitlines()[-1] == "The verdict is not the same."


def test_another_submission_than_the_recorded_one_is_told(grader: Grader, recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(STARTER, tmp_path / "mine")
    with (tmp_path / "mine" / "model.py").open("a") as file:
        file.write("# one more line\n")
    done = grader("grade", tmp_path / "mine", "--check", recorded)

    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "This is not the submission that the result speaks of."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--seed", "1"], "--seed with --check", id="seed"),
        pytest.param(["--only", "masking"], "--only with --check", id="only"),
        pytest.param(["--thorough"], "--thorough with --check", id="thorough"),
    ],
)
def test_what_the_result_says_itself_cannot_be_said_otherwise(
    grader: Grader, arguments: list[str], words: str, recorded: Path
) -> None:
    done = grader("grade", STARTER, "--check", recorded, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_learners_view_cannot_be_checked(grader: Grader, recorded: Path, tmp_path: Path) -> None:
    def empty(result: dict[str, Any]) -> None:
        result["environment"]["seed"] = None

    done = grader("grade", STARTER, "--check", changed(recorded, tmp_path / "learner.json", empty))

    assert (done.returncode, done.stdout) == (2, "")
    assert "is a learner's view: it holds no seed" in done.stderr
