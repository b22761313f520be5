"""What a candidate of a cohort costs: CPU seconds of all processes, as a ratio to ``import torch`` in the same run.

    python tests/benchmarks/bench_cohort.py [CANDIDATES ...] [--followups]

A quarter of the candidates have everything right, a quarter are the starter, and the rest have some of it, crash, hang
or read what they must not. All differ in their text. Every score is compared with what it has to be. The items are
asked alone; with --followups all that the right ones have built beyond, which takes several times as long.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from grader.exercise.model import StoredExercise, builtin_exercise

TIMEOUT = 10  # seconds for one question: what a candidate that hangs waits for
GOAL = 0.5
BASELINES = 3  # measured before each cohort, and as often after it


def main(sizes: Sequence[int], *, followups: bool) -> None:
    """Grade cohorts of these sizes; print a line for each."""
    exercise = builtin_exercise()
    asked = [] if followups else ["--only", *exercise.items]
    print(f"{'candidates':>10} {'wall s':>8} {'CPU s each':>11} {'over import torch':>18} {'goal':>5} {'wrong':>6}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            where, out = Path(scratch) / "submissions", Path(scratch) / "out"
            expected = _hand_in(where, size, exercise)
            before = _import_torch()
            command = [sys.executable, "-m", "grader", "cohort", str(where), "-o", str(out), "--timeout", str(TIMEOUT)]
            wall, cpu = _cost([*command, *asked])
            base = min(before, _import_torch())
            with open(out / "results.csv", encoding="utf-8-sig") as file:
                found = {row["candidate"]: float(row["score"] or -1) for row in csv.DictReader(file)}
        wrong = sum(found.get(name) != score for name, score in expected.items())
        print(f"{size:10} {wall:8.0f} {cpu / size:11.2f} {cpu / size / base:18.2f} {GOAL:5} {wrong:6}", flush=True)


def _import_torch() -> float:
    """CPU seconds, the least of a few: what gets in the way only ever adds."""
    return min(_cost([sys.executable, "-c", "import torch"])[1] for _ in range(BASELINES))


def _cost(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command with all its descendants, which have ended with it."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, sum(after[:2]) - sum(before[:2])


def _hand_in(where: Path, size: int, exercise: StoredExercise) -> dict[str, float]:
    """Write so many submissions; what each has to be given."""
    right, starter = exercise.reference, exercise.starter()
    secret = str(exercise.reference_directory / "model.py")
    hang = right["model.py"].replace("class GPT(", "import time\ntime.sleep(9999)\nclass GPT(")
    crash = f"import os\nos._exit(0)\n{right['model.py']}"
    peek = f"try:\n    print(open({secret!r}).read())\nexcept OSError:\n    pass\n{starter['model.py']}"
    loop = exercise.items["training-step"].points
    one_left, two_left = frozenset({"masking"}), frozenset({"position", "training-step"})
    left_out = [100 - sum(exercise.items[bug].points for bug in left) for left in (one_left, two_left)]
    kinds: list[tuple[dict[str, str], float]] = [
        (right, 100), (starter, 0), (exercise.variant(one_left), left_out[0]), (right | {"model.py": crash}, loop),
        (right, 100), (starter, 0), (exercise.variant(two_left), left_out[1]), (right | {"model.py": hang}, loop),
        (starter | {"model.py": peek}, 0), (starter | {"train.py": right["train.py"]}, loop),
        (right, 100), (starter, 0),
    ]  # fmt: skip
    expected = {}
    for number in range(size):
        files, score = kinds[number % len(kinds)]
        folder = where / f"candidate-{number:04}"
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(f"{text}\n# {number}\n", encoding="utf-8")
        expected[folder.name] = score
    return expected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a candidate of a cohort costs, over import torch.")
    parser.add_argument("sizes", type=int, nargs="*", default=[10, 50, 200], metavar="CANDIDATES", help="10 50 200")
    parser.add_argument("--followups", action="store_true", help="ask the follow-up questions too")
    asked_for = parser.parse_args()
    main(asked_for.sizes, followups=asked_for.followups)
