"""How long it takes to build and prove an exercise of four bugs, as ratios to ``import torch`` in the same run.

    python tests/benchmarks/bench_inject.py [--seeds N]

Every round takes the next seed, and so other bugs, and measures everything once: a machine that gets slower gets
slower for all. Seeds differ in how many bugs and sets of bugs they turn down, so the spread is not noise alone. The
first is one call of ``build`` on a warm launcher, with nothing known of the reference; a further one is built in a
workshop that has built others from the same reference, as a bulk does. Cold is the command, from nothing to the written
folder.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from grader.exercise.model import builtin_exercise, read_exercise
from grader.injection.build import Built, build, build_in
from grader.injection.folder import write
from grader.injection.recipe import DEFAULT_BUGS, Recipe
from grader.injection.verify import verify
from grader.injection.workshop import Workshop
from grader.sandbox.client import Launcher

ROOT = Path(__file__).resolve().parents[2]
BASELINE = "import torch"
BUILD_FIRST, BUILD_FURTHER = f"build {DEFAULT_BUGS} bugs, warm, first", f"build {DEFAULT_BUGS} bugs, warm, further"
BUILD_COLD = f"grader inject, {DEFAULT_BUGS} bugs, cold"
VERIFY_WARM, VERIFY_COLD = "verify it, warm", "grader verify, cold"
GOAL, AIM = 15.0, 5.0
BUILDS = (BUILD_FIRST, BUILD_FURTHER, BUILD_COLD)
BASELINES = 3  # in each round: it is short, and everything is divided by it
CACHES = 1000  # the seed of the exercise that fills them, not measured


def main(seeds: int) -> None:
    """Measure and print a table."""
    builtin = builtin_exercise()
    seconds: dict[str, list[float]] = {name: [] for name in (BASELINE, *BUILDS, VERIFY_WARM, VERIFY_COLD)}
    hidden = [builtin.reference_directory]
    with (
        tempfile.TemporaryDirectory() as scratch,
        Launcher("strict", hidden) as launcher,
        Workshop(builtin.reference, launcher) as workshop,
    ):

        def first(seed: int) -> Built:
            return build(Recipe(seed=seed), builtin.reference, launcher, lambda _: None)

        def further(seed: int) -> Built:
            return build_in(workshop, Recipe(seed=seed), lambda _: None)

        folder = Path(scratch) / "caches"
        write(further(CACHES), folder)
        _grader("verify", str(folder))
        for seed in range(seeds):
            seconds[BASELINE] += [_timed(lambda: _run("-c", BASELINE)) for _ in range(BASELINES)]
            seconds[BUILD_FURTHER].append(_timed(lambda: further(seed)))  # noqa: B023  called at once
            seconds[BUILD_FIRST].append(_timed(lambda: first(seed)))  # noqa: B023
            folder = Path(scratch) / f"ex{seed}"
            command = ["inject", "-o", str(folder), "--bugs", str(DEFAULT_BUGS), "--seed", str(seed)]
            seconds[BUILD_COLD].append(_timed(lambda: _grader(*command)))  # noqa: B023
            exercise = read_exercise(folder)
            seconds[VERIFY_WARM].append(_timed(lambda: verify(exercise, launcher, lambda _: None)))  # noqa: B023
            seconds[VERIFY_COLD].append(_timed(lambda: _grader("verify", str(folder))))  # noqa: B023
            print(
                f"seed {seed}: " + ", ".join(f"{name} {times[-1]:.2f} s" for name, times in seconds.items()), flush=True
            )
    _print(seconds)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _grader(*arguments: str) -> None:
    _run("-m", "grader", *arguments)


def _run(*arguments: str) -> None:
    """Run Python to its end; what fails is no measurement."""
    run = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"python {' '.join(arguments)}: exit code {run.returncode}\n{run.stdout}{run.stderr}")


def _print(seconds: dict[str, list[float]]) -> None:
    base = seconds[BASELINE]
    print(f"\n{'':34} {'median s':>9} {'min s':>7} {'median ratio':>13} {'min ratio':>10} {'goal':>6} {'aim':>5}")
    for name, times in seconds.items():
        median, least = statistics.median(times), min(times)
        ratios = f"{median / statistics.median(base):13.2f} {least / min(base):10.2f}"
        goals = f"{GOAL:6.1f} {AIM:5.1f}" if name in BUILDS else ""
        print(f"{name:34} {median:9.2f} {least:7.2f} {ratios} {goals}".rstrip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long it takes to build an exercise, over import torch.")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="how many exercises are built (5)")
    main(parser.parse_args().seeds)
