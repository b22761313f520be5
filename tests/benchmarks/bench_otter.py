"""What a grade by otter-grader costs beside one of ours, of the same submission by the same checks.

    python tests/benchmarks/bench_otter.py [--others PYTHON] [--rounds N]

PYTHON is an interpreter that has otter-grader 6 or later with a Jupyter kernel, torch and the grader. Nothing is
installed here, and without it nothing is measured. One that shares the packages of the project's environment:

    python3 -m venv .venv-others
    echo "import site; site.addsitedir('$(echo $PWD/.venv/lib/python3*/site-packages)')" \\
        > $(echo .venv-others/lib/python3*/site-packages)/shared.pth
    .venv-others/bin/python -m pip install otter-grader ipykernel jupyter_client pypdf

Seventy packages and some 460 MB beside torch, and no Docker: ``otter run`` grades one submission in the environment that
it is called in, as otter's documentation has it for "non-containerized grading". Its usual way, ``otter grade``, starts
a container for each submission, which costs more.

Otter takes one notebook: the submission is one that imports model.py and train.py, which lie beside it. Its test file
has a test case for each of the grader's checks, asked as in_process.py asks them, of the reference's answers too, in the
notebook's own kernel: follow-ups included, their own tests not. What fails is not shrunk there. So what otter leaves out
is the isolation, the bug lattice, the evidence and the smallest failing case: a submission that patches the test file's
functions gives itself full marks. Torch has one thread everywhere.

Cold for both: the command, from nothing to the result. Ours asks no ``own-tests``.
"""

import argparse
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from costs import BASELINE, grader, import_torch, print_ratios, rounds

from grader.checks.catalogue import CHECKS
from grader.exercise import Exercise, builtin_exercise

BENCHMARKS = Path(__file__).resolve().parent
SUBMISSIONS = {"reference": "reference", "starter": "candidate"}

TEST_FILE = '''\
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
'''


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
            expected = len(CHECKS) if name == "reference" else None
            measures[f"{name}, otter run"] = lambda submission=submission, expected=expected: _otter_run(
                others, autograder, submission, expected
            )
            measures[f"{name}, grader grade"] = lambda name=name: grader(
                "grade", SUBMISSIONS[name], "--json", "-", "--only", *asked
            )
        found = rounds(measures, count_of_rounds)
    print(f"otter-grader {version}")
    print_ratios(found, {})
