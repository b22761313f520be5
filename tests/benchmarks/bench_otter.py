"""What a grade by otter-grader costs beside one of ours, of the same submission by the same checks.

    python tests/benchmarks/bench_otter.py [--others PYTHON] [--rounds N]

PYTHON is an interpreter that has otter-grader 6 or later with a Jupyter kernel, torch and the grader. Nothing is
installed here, and without it nothing is measured. One that shares the packages of the project's environment:

    python3 -m venv .venv-others
    echo "import site; site.addsitedir('$(echo $PWD/.venv/lib/python3*/site-packages)')" \\
        > $(echo .venv-others/lib/python3*/site-packages)/shared.pth
    .venv-others/bin/python -m pip install otter-grader ipykernel jupyter_client pypdf

That is some seventy packages and 460 MB beside torch. No Docker is needed: ``otter run`` grades one submission in the
environment that it is called in, which otter's documentation calls non-containerized grading. Its other way, ``otter
grade``, starts a container for each submission, and the same run in it.

Otter takes one notebook: the submission is one that imports model.py and train.py, which lie beside it. Its test file
has a test case for each of the grader's checks, follow-ups included, asked as in_process.py asks them, beside the
reference in the same process: the notebook's own kernel. Both are the command, from nothing to the result, with one
thread for torch. What they do is not the same:

- Ours grades no ``own-tests`` here, which otter has nothing for.
- Of what fails, otter is told no smallest case. It has no isolation, looks for no bug that is left and collects no
  evidence; whatever a submission patches, it patches in the process that judges it.
- What the starter has not built, ours finds by a question or two and asks no more about; there it fails check by check.
"""

import argparse
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from costs import BASELINE, grader, import_torch, print_ratios, rounds

from grader.checks.catalogue import CHECKS
from grader.exercise.model import builtin_exercise

BENCHMARKS = Path(__file__).resolve().parent
SUBMISSIONS = {"reference": "reference", "starter": "candidate"}

TEST_FILE = """\
OK_FORMAT = False

import sys

sys.path.insert(0, {benchmarks!r})

import in_process
import torch
from otter.test_files import test_case

from grader.checks.catalogue import CHECKS

name = "checks"
points = {points}
torch.set_num_threads(1)
reference = in_process.InProcess()


def asked(check):
    def test(model, train):
        package = in_process.InProcess({{"model": model, "train": train}})
        assert in_process.failure(check, package, reference, shrink=False) is None

    return test


for check in CHECKS:
    globals()[f"test_{{check.id}}"] = test_case(name=check.id)(asked(check))
"""


class NotMeasured(Exception):
    """Why there is no number."""


def main(others: Path | None, count_of_rounds: int) -> None:
    """Measure and print a table, or why there is none."""
    try:
        version = _require(others)
    except NotMeasured as reason:
        print(f"otter-grader: not measured: {reason}")
        return
    assert others is not None
    exercise = builtin_exercise()
    asked = [item.id for item in (*exercise.rubric.item, *exercise.rubric.followup) if item.kind != "tests"]
    with TemporaryDirectory() as scratch:
        autograder = _autograder(Path(scratch))
        measures: dict[str, Callable[[], object]] = {BASELINE: import_torch}
        for name, files in {"reference": exercise.reference, "starter": exercise.starter()}.items():
            submission = _submission(Path(scratch), name, files)
            passes = name == "reference"
            measures[f"{name}, otter run"] = partial(_otter_run, others, autograder, submission, passes=passes)
            measures[f"{name}, grader grade"] = partial(
                grader, "grade", SUBMISSIONS[name], "--json", "-", "--only", *asked
            )
        found = rounds(measures, count_of_rounds)
    print(f"otter-grader {version}")
    print_ratios(found, {})


def _require(others: Path | None) -> str:
    """The version of otter-grader. Raises ``NotMeasured`` unless the interpreter has what it takes."""
    if others is None:
        raise NotMeasured("--others names an interpreter that has it; see the beginning of this file")
    wanted = "import torch, grader, pytest, ipykernel, jupyter_client, otter; print(otter.__version__)"
    try:
        run = subprocess.run([others, "-c", wanted], capture_output=True, text=True)
    except OSError as error:
        raise NotMeasured(f"{others}: {error.strerror}") from None
    if run.returncode:
        raise NotMeasured(f"{others}: {(run.stderr.strip().splitlines() or ['no message'])[-1]}")
    return run.stdout.strip()


def _autograder(scratch: Path) -> Path:
    """Otter's configuration: a zip archive with its settings, and one test file."""
    archive = scratch / "autograder.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("otter_config.json", json.dumps({"print_summary": False}))
        file.writestr("tests/checks.py", TEST_FILE.format(benchmarks=str(BENCHMARKS), points=len(CHECKS)))
    return archive


def _submission(scratch: Path, name: str, files: Mapping[str, str]) -> Path:
    """A zip archive of a notebook that imports the submission, and of the submission."""
    cell: dict[str, object] = {"cell_type": "code", "id": "submission", "source": "import model\nimport train\n"}
    cell |= {"execution_count": None, "metadata": {}, "outputs": []}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    archive = scratch / f"{name}.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("submission.ipynb", json.dumps(notebook))
        for file_name, text in files.items():
            file.writestr(file_name, text)
    return archive


def _otter_run(python: Path, autograder: Path, submission: Path, *, passes: bool) -> None:
    """Grade with otter: all test cases have to pass, or some have to fail."""
    out = submission.with_suffix("")
    out.mkdir(exist_ok=True)
    command = [str(python), "-m", "otter", "run", "--no-logo", "-a", str(autograder), "-o", str(out), str(submission)]
    run = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"otter run: exit code {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    told = json.loads((out / "results.json").read_text())["tests"]
    score = sum(test.get("score", 0.0) for test in told)
    if (score == len(CHECKS)) != passes:
        sys.exit(f"otter run: {submission.stem} has {score:g} of {len(CHECKS)}; that is no measurement\n{told}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a grade by otter-grader costs beside one of ours.")
    parser.add_argument("--others", type=Path, metavar="PYTHON", help="an interpreter with otter-grader")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often everything is measured (3)")
    options = parser.parse_args()
    main(options.others, options.rounds)
