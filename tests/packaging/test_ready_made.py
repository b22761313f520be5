"""What docs/ has to copy: an autograder for Gradescope and a workflow for GitHub do what their pages say."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
GRADESCOPE, WORKFLOW = ROOT / "docs" / "gradescope", ROOT / "docs" / "github-actions" / "grade.yml"
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="no bash on this machine")


# Gradescope


def autograder(root: Path, grader: Path) -> dict[str, Any]:
    """What run_autograder leaves below ``root``, graded by this programme."""
    environment = os.environ | {"AUTOGRADER_ROOT": str(root), "GRADER": str(grader)}
    done = subprocess.run([GRADESCOPE / "run_autograder"], env=environment, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads((root / "results" / "results.json").read_text("utf-8"))
    results["printed"] = done.stdout
    return results


def problems(published: ModuleType, results: dict[str, Any]) -> list[str]:
    told = {name: value for name, value in results.items() if name != "printed"}
    return list(published.problems("gradescope", json.dumps(told).encode()))


def submission(root: Path) -> None:
    (root / "submission").mkdir()
    for name in ("model.py", "train.py"):
        shutil.copy(ROOT / "candidate" / name, root / "submission")


def programme(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("script", ["setup.sh", "run_autograder"])
def test_the_scripts_of_the_autograder_are_bash_and_can_be_run(script: str) -> None:
    done = subprocess.run([str(BASH), "-n", GRADESCOPE / script], capture_output=True, text=True, timeout=100)

    assert (done.returncode, done.stderr) == (0, "")
    assert (GRADESCOPE / script).read_text().startswith("#!/usr/bin/env bash\n")
    assert (GRADESCOPE / script).stat().st_mode & stat.S_IXUSR


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's")
def test_the_autograder_grades_the_starter(tmp_path: Path, published: ModuleType) -> None:
    submission(tmp_path)
    results = autograder(tmp_path, Path(sys.executable).with_name("grader"))

    assert problems(published, results) == []
    assert (results["score"], sum(test.get("max_score", 0) for test in results["tests"])) == (0, 100)
    assert results["tests"][0]["name"] == "Attention masking"
    assert '"seed": ' in results["printed"]
    assert '"seed"' not in json.dumps(results["tests"])


@pytest.mark.parametrize("script", ["exit 3", "exit 127", "kill -9 $$"])
def test_a_grade_that_fails_leaves_a_file_that_says_so(script: str, tmp_path: Path, published: ModuleType) -> None:
    submission(tmp_path)
    results = autograder(tmp_path, programme(tmp_path / "grader", script))

    assert problems(published, results) == []
    assert results["output"].startswith("Not graded: the grader or its machine failed.")
    assert [test["name"] for test in results["tests"]] == ["Not graded: this 0 is no verdict on your code"]


def test_a_submission_without_model_py_is_told_what_to_hand_in(tmp_path: Path, published: ModuleType) -> None:
    (tmp_path / "submission" / "candidate").mkdir(parents=True)
    results = autograder(tmp_path, programme(tmp_path / "grader", "exit 2"))

    assert problems(published, results) == []
    assert results["output"].startswith("There is no model.py in what was handed in.")


def test_a_submission_that_cannot_be_read_is_told_what_is_in_it(tmp_path: Path, published: ModuleType) -> None:
    handed_in = tmp_path / "submission"
    handed_in.mkdir(parents=True)
    for name in ("work.ipynb", '\\a"b.txt'):
        (handed_in / name).write_text("{}")
    results = autograder(tmp_path, Path(sys.executable).with_name("grader"))

    assert problems(published, results) == []
    assert results["output"].startswith(
        "Not graded: no model.py in what was handed in; found: '\\a\"b.txt', 'work.ipynb'; "
    )
    assert str(tmp_path) not in results["output"]


def test_an_exercise_in_the_archive_is_the_one_that_is_graded(tmp_path: Path) -> None:
    submission(tmp_path)
    (tmp_path / "source" / "exercise").mkdir(parents=True)
    results = autograder(tmp_path, programme(tmp_path / "grader", 'echo "$@"'))

    assert f"--exercise {tmp_path}/source/exercise" in results["printed"]


# GitHub


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return dict(yaml.safe_load(WORKFLOW.read_text("utf-8")))


def steps(workflow: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step.get("name", step.get("uses")): step for step in workflow["jobs"]["run-autograding-tests"]["steps"]}


def run_step(workflow: dict[str, Any], folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """The step that grades, with ``script`` in place of the grader; GitHub's files are in ``folder``."""
    (folder / "bin").mkdir()
    programme(folder / "bin" / "grader", script)
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(folder),
        "GITHUB_STEP_SUMMARY": str(folder / "step-summary"),
        "GITHUB_OUTPUT": str(folder / "output"),
    }
    command = [str(BASH), "-e", "-c", steps(workflow)["Grade"]["run"]]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)


def test_the_workflow_hands_the_points_to_the_reporter_that_reads_them(workflow: dict[str, Any]) -> None:
    report = steps(workflow)["Report the points"]

    assert workflow["permissions"] == {"contents": "read"}
    assert report["uses"].startswith("classroom-resources/autograding-grading-reporter@")
    assert report["with"]["runners"].upper() + "_RESULTS" in report["env"]
    assert report["env"]["GRADE_RESULTS"] == "${{ steps.grade.outputs.result }}"
    assert steps(workflow)["Grade"]["id"] == "grade"


@pytest.mark.parametrize("code", [0, 1, 3])
def test_the_workflow_shows_the_summary_and_fails_with_the_grade(
    code: int, workflow: dict[str, Any], tmp_path: Path
) -> None:
    write = 'while [ $# -gt 1 ]; do case $1 in --markdown|--junit|--classroom) echo "is $1" > "$2";; esac; shift; done'
    done = run_step(workflow, tmp_path, f"echo ::error::quoted; {write}; exit {code}")

    assert done.returncode == code
    assert (tmp_path / "step-summary").read_text() == "is --markdown\n"
    assert (tmp_path / "output").read_text() == "result=is --classroom\n"
    assert (tmp_path / "junit.xml").read_text() == "is --junit\n"


def test_nothing_that_the_grade_prints_is_a_command_to_the_runner(workflow: dict[str, Any], tmp_path: Path) -> None:
    lines = run_step(workflow, tmp_path, "echo ::error::quoted; exit 3").stdout.splitlines()
    token = lines[0].removeprefix("::stop-commands::")

    assert len(token) == 32
    assert lines == [f"::stop-commands::{token}", "::error::quoted", f"::{token}::"]


def test_a_grade_that_could_not_be_had_writes_no_summary(workflow: dict[str, Any], tmp_path: Path) -> None:
    done = run_step(workflow, tmp_path, "exit 3")

    assert done.returncode == 3
    assert not (tmp_path / "step-summary").exists()
    assert not (tmp_path / "output").exists()
