"""How cost grows with the bugs of an exercise, and with the examples of a check: CPU over that of ``import torch``.

    python tests/benchmarks/bench_growth.py [--seeds N] [--most-bugs N] [--rounds N]

An exercise of k bugs has 2^k variants of the reference. When it is built, every variant is graded; a grade asks those
of them that could have answered as the submission did. Built are exercises of one to six bugs, for each of N seeds;
shown is the mean over the seeds, since some seeds turn down more bugs on the way than others. Graded are the starter,
which has every bug left in, and the reference.

``--thorough`` asks eight times as many examples of each check that draws some: shown for the built-in exercise, items
alone. What fails stops at its first failing example, so that the starter has less to ask.

Everything is done on a launcher that has imported torch, and nothing is known beforehand of what the reference answers:
each row holds a reference's answers as well.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping

from costs import cost, import_torch

from grader.exercise.model import Exercise, builtin_exercise
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.injection.build import Built, build
from grader.injection.recipe import MAX_BUGS, Recipe
from grader.sandbox.client import Launcher
from grader.submission.read import Submission, submission_of

CACHES = 1000  # the seed of the exercise that fills them, not measured
BASELINES = 3
COLUMNS = ("starter", "reference")


def main(seeds: int, most_bugs: int, rounds: int) -> None:
    """Measure, and print a table for each."""
    exercise = builtin_exercise()
    base = min(cost(import_torch).cpu for _ in range(BASELINES))
    print(f"import torch: {base:.2f} s of CPU; all that follows is in units of it")
    with Launcher("strict", [exercise.reference_directory]) as launcher:
        build(Recipe(seed=CACHES, bugs=1), exercise.reference, launcher, lambda _: None)
        print(f"\n{'bugs':>4} {'variants':>8} {'build':>7} {'grade starter':>14} {'grade reference':>16}")
        for bugs in range(1, most_bugs + 1):
            rows = [_exercise_of(bugs, seed, rounds, launcher) for seed in range(seeds)]
            means = {name: statistics.mean(row[name] for row in rows) / base for name in ("build", *COLUMNS)}
            starter, reference = (means[name] for name in COLUMNS)
            print(f"{bugs:4} {2**bugs:8} {means['build']:7.2f} {starter:14.2f} {reference:16.2f}", flush=True)
        print(f"\n{'examples':>8} {'grade starter':>14} {'grade reference':>16}")
        usual, thorough = (_graded(exercise, rounds, launcher, thorough=thorough) for thorough in (False, True))
        for name, costs in (("usual", usual), ("thorough", thorough)):
            print(f"{name:>8} {costs['starter'] / base:14.2f} {costs['reference'] / base:16.2f}")
        grown = {name: thorough[name] / usual[name] for name in COLUMNS}
        print(f"{'times':>8} {grown['starter']:14.1f} {grown['reference']:16.1f}")


def _exercise_of(bugs: int, seed: int, rounds: int, launcher: Launcher) -> Mapping[str, float]:
    """CPU seconds of building an exercise, and of a grade of its starter and of its reference."""
    made: list[Built] = []
    recipe = Recipe(seed=seed, bugs=bugs)
    seconds = cost(lambda: made.append(build(recipe, builtin_exercise().reference, launcher, lambda _: None))).cpu
    return {"build": seconds} | _graded(made[0].exercise, rounds, launcher)


def _graded(exercise: Exercise, rounds: int, launcher: Launcher, *, thorough: bool = False) -> dict[str, float]:
    """The least CPU seconds of a grade of the starter and of the reference, follow-ups left aside."""
    least: dict[str, float] = {}
    for name, files, score in (("starter", exercise.starter(), 0.0), ("reference", exercise.reference, 100.0)):
        submission = submission_of(name, files)
        seconds = [
            cost(lambda: _grade(submission, exercise, launcher, thorough, score)).cpu  # noqa: B023  called at once
            for _ in range(rounds)
        ]
        least[name] = min(seconds)
    return least


def _grade(submission: Submission, exercise: Exercise, launcher: Launcher, thorough: bool, score: float) -> None:
    result = Session(exercise, launcher, Keep.NOTHING).grade(submission, Options(followups=False, thorough=thorough))
    if result.score != score:
        sys.exit(f"{submission.name}: graded {result.score:g}, not {score:g}; that is no measurement")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How cost grows with bugs and with examples, over import torch.")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="exercises of each number of bugs (3)")
    parser.add_argument("--most-bugs", type=int, default=MAX_BUGS, metavar="N", help=f"at most ({MAX_BUGS})")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="grades, of which the cheapest counts (3)")
    options = parser.parse_args()
    main(options.seeds, options.most_bugs, options.rounds)
