"""How long it takes to build and prove an exercise of four bugs, as ratios to ``import torch`` in the same run.

    python tests/benchmarks/bench_inject.py [--seeds N]

Every round takes the next seed, and so other bugs, and measures everything once: a machine that gets slower gets
slower for all. Seeds differ in how many bugs and sets of bugs they turn down, so the spread is not noise alone. The
first is one call of ``build`` on a warm launcher, with nothing known of the reference; a further one is built in a
workshop that has built others from the same reference, as a bulk does. Cold is the command, from nothing to the written
folder. CPU is that of all processes together: on a machine that is busy it tells more than the clock.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from costs import Cost, cost, grader, import_torch

from grader.exercise.model import builtin_exercise, read_exercise
from grader.injection.build import Built, build, build_in
from grader.injection.folder import write
from grader.injection.recipe import DEFAULT_BUGS, Recipe
from grader.injection.verify import verify
from grader.injection.workshop import Workshop
from grader.sandbox.client import Launcher

BASELINE = "import torch"
BUILD_FIRST, BUILD_FURTHER = f"build {DEFAULT_BUGS} bugs, warm, first", f"build {DEFAULT_BUGS} bugs, warm, further"
BUILD_COLD = f"grader inject, {DEFAULT_BUGS} bugs, cold"
BUILDS = (BUILD_FIRST, BUILD_FURTHER, BUILD_COLD)
VERIFY_WARM, VERIFY_COLD = "verify it, warm", "grader verify, cold"
GOAL = 5.0
BASELINES = 3  # in each round: it is short, and everything is divided by it
CACHES = 1000  # the seed of the exercise that fills them, not measured


def main(seeds: int) -> None:
    """Measure and print a table."""
    builtin = builtin_exercise()
    spent: dict[str, list[Cost]] = {name: [] for name in (BASELINE, *BUILDS, VERIFY_WARM, VERIFY_COLD)}
    with (
        tempfile.TemporaryDirectory() as scratch,
        Launcher("strict", [builtin.reference_directory]) as launcher,
        Workshop(builtin.reference, launcher) as workshop,
    ):

        def first(seed: int) -> Built:
            return build(Recipe(seed=seed), builtin.reference, launcher, lambda _: None)

        def further(seed: int) -> Built:
            return build_in(workshop, Recipe(seed=seed), lambda _: None)

        folder = Path(scratch) / "caches"
        write(further(CACHES), folder)
        grader("verify", str(folder))
        for seed in range(seeds):
            spent[BASELINE] += [cost(import_torch) for _ in range(BASELINES)]
            spent[BUILD_FURTHER].append(cost(lambda: further(seed)))  # noqa: B023  called at once
            spent[BUILD_FIRST].append(cost(lambda: first(seed)))  # noqa: B023
            folder = Path(scratch) / f"ex{seed}"
            command = ["inject", "-o", str(folder), "--bugs", str(DEFAULT_BUGS), "--seed", str(seed)]
            spent[BUILD_COLD].append(cost(lambda: grader(*command)))  # noqa: B023
            exercise = read_exercise(folder)
            spent[VERIFY_WARM].append(cost(lambda: verify(exercise, launcher, lambda _: None)))  # noqa: B023
            spent[VERIFY_COLD].append(cost(lambda: grader("verify", str(folder))))  # noqa: B023
            latest = ", ".join(
                f"{name} {costs[-1].wall:.2f} s ({costs[-1].cpu:.2f} CPU)" for name, costs in spent.items()
            )
            print(f"seed {seed}: {latest}", flush=True)
    _print(spent)


def _print(spent: dict[str, list[Cost]]) -> None:
    base = spent[BASELINE]
    print(f"\n{'':34} {'median s':>9} {'median ratio':>13} {'min ratio':>10} {'CPU, median':>12} {'goal':>6}")
    wall, cpu = [cost.wall for cost in base], statistics.median(cost.cpu for cost in base)
    for name, costs in spent.items():
        walls = [cost.wall for cost in costs]
        median, least = statistics.median(walls) / statistics.median(wall), min(walls) / min(wall)
        of_cpu = statistics.median(cost.cpu for cost in costs) / cpu
        goal = f"{GOAL:6.1f}" if name in BUILDS else ""
        print(f"{name:34} {statistics.median(walls):9.2f} {median:13.2f} {least:10.2f} {of_cpu:12.2f} {goal}".rstrip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long it takes to build an exercise, over import torch.")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="how many exercises are built (5)")
    main(parser.parse_args().seeds)
