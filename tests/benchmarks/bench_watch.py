"""How long a learner waits after saving a file, as ratios to ``import torch`` measured in the same run.

    python tests/benchmarks/bench_watch.py [--rounds N]

From the moment the file is in its place to the moment the new verdict is there, with the pause in which the watcher
makes sure that nothing is halfway saved.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from costs import print_waits

from grader.exercise.model import builtin_exercise
from grader.grading.options import Options
from grader.grading.session import Session
from grader.learner.watch import Watcher

ROOT = Path(__file__).resolve().parents[2]
GOAL = 0.5


def main(rounds: int) -> None:
    """Save the training loop right, then wrong again, and so on; print a table."""
    exercise = builtin_exercise()
    waits: dict[str, list[float]] = {"import torch": [], "starter, one bug fixed": [], "starter": []}
    with tempfile.TemporaryDirectory() as scratch, Session.start(exercise, "strict") as session:
        directory = Path(scratch)
        for name in exercise.reference:
            shutil.copyfile(ROOT / "candidate" / name, directory / name)
        watcher = Watcher(directory, session, Options())
        grades = watcher.grades(lambda _: None, print)
        next(grades)
        for number in range(rounds):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import torch"], check=True)
            waits["import torch"].append(time.perf_counter() - started)
            for name, source in (("starter, one bug fixed", "reference"), ("starter", "candidate")):
                # Another text each time: what was graded before would not be graded again.
                text = (ROOT / source / "train.py").read_text("utf-8") + f"# {number}\n"
                (directory / "train.py").write_text(text, "utf-8")
                started = time.perf_counter()
                next(grades)
                waits[name].append(time.perf_counter() - started)
    print_waits(waits, GOAL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long a learner waits after saving a file, over import torch.")
    parser.add_argument("--rounds", type=int, default=8, metavar="N", help="the file is saved twice in each (8)")
    main(parser.parse_args().rounds)
