"""How long a grade takes, as ratios to ``import torch`` measured in the same run.

    python tests/benchmarks/bench_grade.py [ROUNDS]

Every round measures everything once, so that a machine that gets slower gets slower for all. Printed are
the ratios of the medians and of the minima; the minima are the steadier of the two.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from grader.exercise import builtin_exercise
from grader.grading import Options, grade
from grader.sandbox.client import Launcher
from grader.submission import read_submission

ROOT = Path(__file__).resolve().parents[2]
BASELINE = "import torch"
GOALS = {"grade reference, cold": 2.0, "grade reference, warm": 0.75, "grade starter, cold": 3.0}


def main(rounds: int) -> None:
    """Measure and print a table."""
    exercise = builtin_exercise()
    with tempfile.TemporaryDirectory() as scratch, Launcher("strict", [exercise.reference_directory]) as launcher:
        report = f"{scratch}/report.html"

        def warm(directory: str) -> float:
            # Right after another one, as in a cohort: a launcher that has idled has lost its caches.
            for _ in range(2):
                started = time.perf_counter()
                grade(read_submission(ROOT / directory), exercise, Options(), launcher, lambda _: None)
            return time.perf_counter() - started

        measures: dict[str, Callable[[], float]] = {
            BASELINE: lambda: _python("-c", "import torch"),
            "grade reference, cold": lambda: _python("-m", "grader", "grade", "reference", "--json", "-"),
            "grade reference, warm": lambda: warm("reference"),
            "grade starter, cold": lambda: _python("-m", "grader", "grade", "candidate", "--json", "-"),
            "grade starter, warm": lambda: warm("candidate"),
            "the same checks, plain pytest": lambda: _python("-m", "pytest", "-q", "tests/benchmarks/in_process.py"),
            "grade starter, cold, with HTML": lambda: _python("-m", "grader", "grade", "candidate", "--html", report),
        }
        for measure in measures.values():
            measure()  # fills caches
        seconds: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(rounds):
            for name, measure in measures.items():
                seconds[name].append(measure())
    _print(seconds)


def _python(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def _print(seconds: dict[str, list[float]]) -> None:
    base = seconds[BASELINE]
    print(f"{'':34} {'median s':>9} {'min s':>7} {'median ratio':>13} {'min ratio':>10} {'goal':>6}")
    for name, times in seconds.items():
        median, least = statistics.median(times), min(times)
        ratios = f"{median / statistics.median(base):13.2f} {least / min(base):10.2f}"
        print(f"{name:34} {median:9.2f} {least:7.2f} {ratios} {GOALS.get(name, ''):>6}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
