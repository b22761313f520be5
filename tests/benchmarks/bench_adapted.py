"""Injects into every GPT that comes with an adapter.py, seed by seed: what was planted, and how it is graded.

    python tests/benchmarks/bench_adapted.py [--source NAME ...] [--seeds N] [--hints]

Three bugs in the model and one in the loop, where there is one, drawn by the seed; each set is proven, and its starter
and its reference are graded. The wall time of each is a ratio to ``import torch`` in the same run. With ``--hints``
every bug is shown with its hints and its edit, to be read: a hint that is not true of it is a fault of its operator.
"""

import argparse
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from grader.errors import UsageError
from grader.exercise.model import Exercise
from grader.grading.options import Options
from grader.grading.session import Session
from grader.injection import build as building
from grader.injection.choose import Chooser, Chosen, Mutant
from grader.injection.recipe import Recipe
from grader.injection.workshop import Workshop
from grader.sandbox.client import Launcher
from grader.submission.read import submission_of
from mutations.operator import Category

ADAPTED = runpy.run_path(str(Path(__file__).resolve().parents[1] / "injection" / "adapted_sources.py"))
IN_THE_MODEL, IN_THE_LOOP = 3, 1
LOOP = frozenset(
    {
        Category.TRAINING_LOOP,
        Category.LOSS,
        Category.OPTIMIZER,
        Category.CLIPPING,
        Category.LEARNING_RATE,
        Category.MODES,
    }
)
BASELINES = 3


class ThreeAndOne(Chooser):
    """Draws as ever, and leaves out what there is enough of already."""

    def _candidates(self, chosen: Sequence[Chosen]) -> Iterator[Mutant]:
        for mutant in super()._candidates(chosen):
            taken = [of_the_loop(bug.mutant) for bug in chosen]
            if taken.count(of_the_loop(mutant)) < (IN_THE_LOOP if of_the_loop(mutant) else IN_THE_MODEL):
                yield mutant


def of_the_loop(mutant: Mutant) -> bool:
    return mutant.operator.category in LOOP


def main(names: Sequence[str], seeds: int, *, hints: bool) -> None:
    """Inject, grade and print, line by line."""
    baseline = statistics.median(timed(import_torch)[0] for _ in range(BASELINES))
    print(f"import torch: {baseline:.2f} s", flush=True)
    vars(building).update(Chooser=ThreeAndOne)
    proven = tried = 0
    for name in names:
        if lacking := ADAPTED["why_not"](name):
            print(f"{name}: left out, {lacking}")
            continue
        files = ADAPTED["source"](name)
        bugs = IN_THE_MODEL + IN_THE_LOOP * any(f"\ndef {each}(" in files["adapter.py"] for each in ("run", "step"))
        with Launcher("strict") as launcher, Workshop(files, launcher) as workshop:
            for seed in range(seeds):
                tried += 1
                try:
                    seconds, built = timed(
                        lambda: building.build_in(workshop, Recipe(seed=seed, bugs=bugs), lambda _: None)  # noqa: B023
                    )
                except UsageError as error:
                    print(f"{name} {seed}: not built: {error}", flush=True)
                    continue
                starter, reference = scores(built.exercise, built.starter, launcher)
                right = (starter, reference) == (0, 100)
                proven += right
                planted = ", ".join(bug.operator for bug in built.exercise.key.bugs)
                print(
                    f"{name} {seed}: {planted}: starter {starter:g}, reference {reference:g}, "
                    f"{len(built.rejected)} passed over, {seconds / baseline:.0f} times import torch"
                    f"{'' if right else '  WRONG'}",
                    flush=True,
                )
                if hints:
                    show(built.exercise)
    print(f"{proven} of {tried} proven, with a starter of 0 and a reference of 100")


def scores(exercise: Exercise, starter: dict[str, str], launcher: Launcher) -> tuple[float, float]:
    """Of the starter and of the reference, graded like anybody's."""
    with Session(exercise, launcher) as session:
        first, second = (
            session.grade(submission_of("candidate", files), Options(seed=1)).score
            for files in (starter, exercise.reference)
        )
    return first, second


def show(exercise: Exercise) -> None:
    """Every bug, for a reader."""
    for bug in exercise.key.bugs:
        print(f"    {bug.operator} in {bug.file}, seen by {', '.join(bug.killed_by)}")
        print(*(f"      {line}" for line in (*bug.hints, f"{bug.before!r} -> {bug.after!r}")), sep="\n", flush=True)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def import_torch() -> None:
    subprocess.run([sys.executable, "-c", "import torch"], check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--source", nargs="+", choices=list(ADAPTED["FOLDERS"]), default=list(ADAPTED["FOLDERS"]))
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="how many exercises of each")
    parser.add_argument("--hints", action="store_true", help="show each bug with its hints and its edit")
    given = parser.parse_args()
    main(given.source, given.seeds, hints=given.hints)
