"""Whether a process that grades thousands of submissions stays as it is: descriptors, children and memory.

    python tests/benchmarks/bench_soak.py [GRADES] [--warm N] [--jobs N]

One ``Grader`` grades them one after another, or, with --jobs, so many at a time by ``grade_many``. Of ten submissions
eight end as they are imported, one is the starter and one the reference, of which one item is asked; no two have the
same text. What is there after the first N grades (200) is compared with what is there at the end: it has to be flat.
What grades take is printed as a ratio to ``import torch`` in the same run.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from costs import cost, descendants, import_torch

from grader.api import Attempt, Grader, load_exercise

ONLY = ("projection",)
LINES = 10  # of the table
LEAST_WARM = 3  # grades before anything is compared


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds, and its children together."""

    grades: int
    descriptors: int
    children: int
    own: float  # megabytes resident
    others: float

    @classmethod
    def now(cls, grades: int) -> "Held":
        """After so many grades, once what is garbage is gone."""
        gc.collect()
        children = [pid for pid in descendants(os.getpid()) if pid != os.getpid()]
        others = sum(map(_megabytes, children))
        return cls(grades, len(os.listdir("/proc/self/fd")), len(children), _megabytes(os.getpid()), others)

    def __str__(self) -> str:
        return f"{self.grades:>8} {self.descriptors:>12} {self.children:>9} {self.own:>8.1f} {self.others:>10.1f}"


def main(grades: int, warm: int, jobs: int | None) -> int:
    """Grade, look, and print; 1 where something has grown."""
    warm = max(LEAST_WARM, min(warm, grades // 2))
    base = cost(import_torch).cpu
    every = max(1, grades // LINES)
    print(f"{'grades':>8} {'descriptors':>12} {'children':>9} {'own MB':>8} {'others MB':>10}", flush=True)
    started, held = time.perf_counter(), []
    with Grader(load_exercise()) as grader:
        for number, attempt in enumerate(_attempts(grader, grades, jobs), 1):
            if attempt.error is not None:
                sys.exit(f"grade {number}: {attempt.error}")
            if number in (1, warm, grades) or number % every == 0:
                held.append(Held.now(number))
                print(held[-1], flush=True)
    each = (time.perf_counter() - started) / grades
    first, last = next(one for one in held if one.grades >= warm), held[-1]
    growth = (last.own - first.own) * 1024 / max(1, last.grades - first.grades)
    print(
        f"\n{grades} grades, {each:.2f} s on the clock each; import torch: {base:.2f} s of CPU; {each / base:.2f} of it"
    )
    print(f"{'after the first ' + str(first.grades):24} {growth:+.2f} KB a grade in this process")
    print(f"{'times what they were':24} {last.descriptors / first.descriptors:.3f} descriptors")
    print(f"{'':24} {last.children / max(1, first.children):.3f} children")
    print(f"{'':24} {last.own / first.own:.3f} megabytes here, {last.others / max(1.0, first.others):.3f} in children")
    print(f"{'left when it is closed':24} {len(list(descendants(os.getpid()))) - 1} children")
    return int(last.descriptors > first.descriptors or last.children > first.children)


def _attempts(grader: Grader, grades: int, jobs: int | None) -> Iterator[Attempt]:
    submissions = islice(_submissions(grader), grades)
    if jobs is None:
        for number, files in enumerate(submissions):
            yield Attempt(number=number, result=grader.grade(files, only=ONLY, explain=False))
    else:
        yield from grader.grade_many(submissions, jobs=jobs, only=ONLY, explain=False)


def _submissions(grader: Grader) -> Iterator[dict[str, str]]:
    """No two alike, without end."""
    starter, reference = grader.exercise.starter(), grader.exercise.reference
    dead = dict.fromkeys(("model.py", "train.py"), "raise SystemExit\n")
    number = 0
    while True:
        files = {8: starter, 9: reference}.get(number % 10, dead)
        yield {**files, "model.py": f"{files['model.py']}# {number}\n"}
        number += 1


def _megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0  # it has just ended
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Whether grading thousands leaves a process as it is.")
    parser.add_argument("grades", nargs="?", type=int, default=2000, metavar="GRADES", help="how many (2000)")
    parser.add_argument("--warm", type=int, default=200, metavar="N", help="grades before what is compared (200)")
    parser.add_argument("--jobs", type=int, metavar="N", help="so many at a time, by grade_many (one after another)")
    options = parser.parse_args()
    sys.exit(main(options.grades, options.warm, options.jobs))
