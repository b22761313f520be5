"""Build and prove an exercise for each of many seeds; every subset of every exercise's bugs is graded.

    python tests/benchmarks/many_seeds.py [SEEDS] [BUGS]

Exits 1 unless every seed gives a sound exercise and there are enough different operators among them all.
"""

import statistics
import sys
import time
from collections import Counter

from grader.errors import GraderError
from grader.exercise.model import builtin_exercise, builtin_reference
from grader.injection.build import build_in
from grader.injection.recipe import Recipe
from grader.injection.workshop import Workshop
from grader.sandbox.client import Launcher

FEWEST_OPERATORS = 40  # of fifty seeds


def main(seeds: int, bugs: int) -> int:
    """Print a line for each seed, and what they have in common."""
    reference = builtin_exercise().reference
    operators: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    buckets: Counter[str] = Counter()
    seconds: list[float] = []
    failed = 0
    with Launcher("strict", [builtin_reference()]) as launcher, Workshop(reference, launcher) as workshop:
        for seed in range(seeds):
            started = time.perf_counter()
            try:
                built = build_in(workshop, Recipe(seed=seed, bugs=bugs), lambda _: None)
            except GraderError as error:
                failed += 1
                print(f"seed {seed}: {error}", flush=True)
                continue
            seconds.append(time.perf_counter() - started)
            planted = built.exercise.key.bugs
            operators.update(bug.operator for bug in planted)
            categories.update(bug.category for bug in planted)
            buckets.update(bug.difficulty.bucket for bug in planted if bug.difficulty)
            together = [f"{mutant}: {why}" for mutant, why in built.rejected if "left in" in why]
            print(f"seed {seed}: {seconds[-1]:.1f} s  {', '.join(bug.operator for bug in planted)}", flush=True)
            for rejection in together:
                print(f"    not {rejection}", flush=True)
    print(
        f"\n{seeds - failed} of {seeds} seeds gave a sound exercise, {statistics.median(seconds):.1f} s in the median"
    )
    print(f"{len(operators)} operators of {len(categories)} categories; {dict(buckets)}")
    return 1 if failed or len(operators) < FEWEST_OPERATORS * min(1.0, seeds / 50) else 0


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(arguments[0] if arguments else 50, arguments[1] if len(arguments) > 1 else 4))
