"""How long a grade takes and what it costs, as ratios to ``import torch`` measured in the same run.

    python tests/benchmarks/bench_grade.py [--rounds N]

Cold is the command, from nothing to the result. Warm is a grade by a process whose launcher has imported torch, with a
``Session`` that knows what the reference and its variants answer, as a job of a cohort has it from its second
submission on, and a learner's ``grader watch`` from its second grade on: the questions are the same each time, the
submission another. ``verdict`` is what the watching learner gets first, without the smallest failing cases and without
evidence (``explain=False``); ``whole`` has them, and is what a cohort asks for.

Of the starter everything is asked, as the command does unless told otherwise: it has built no follow-up, and a question
or two each says so. Of the reference the six items are asked, which a learner is asked to finish; with the follow-ups
too, all of which it has built, most of the work is theirs, and no goal is set.

CPU seconds are those of all processes: grader, launcher, workers. What no cleverness takes away:

- A cold grade takes no less time than ``import torch``, which the launcher does. The grader's own imports, half a
  second, are done meanwhile where there are two cores; in CPU seconds they come on top.
- The first optimizer imports torch._dynamo, and is made before the launcher is ready.
- A grade of the six items puts three hundred questions to a right solution, the reference and a witness for it, most of
  them a model that is made, filled with weights and run. Each takes milliseconds for every caller: the row of the plain
  pytest run asks the same, follow-ups with it, in one process that has nothing to fork, lock or send. A library takes
  the reference's share away; what is left is the submission's own.
- A fresh locked process takes about 25 ms, and an answer that may hang on what was answered before is asked of one.
"""

import argparse
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from costs import BASELINE, ROOT, grader, import_torch, print_ratios, python, rounds

from grader.exercise.model import builtin_exercise
from grader.grading.options import Options
from grader.grading.session import Session
from grader.submission.read import read_submission, submission_of

# How many times ``import torch`` each may take; nothing for what builds every follow-up.
GOALS = {
    "starter, cold": 1.6,
    "starter, warm, verdict": 0.5,
    "starter, warm, whole": 0.5,
    "reference's items, cold": 2.0,
    "reference's items, warm, verdict": 1.1,
    "reference's items, warm, whole": 1.1,
}
SEED = 7  # of the warm grades: the same seed asks the same


def main(count_of_rounds: int) -> None:
    """Measure and print a table."""
    exercise = builtin_exercise()
    items = tuple(exercise.items)
    with (
        TemporaryDirectory() as scratch,
        Session.start(exercise, "strict") as session,
    ):
        numbers = count()

        def warm(directory: str, only: tuple[str, ...], *, explain: bool) -> Callable[[], object]:
            options = Options(only=only, seed=SEED, shared=True, explain=explain)
            read = read_submission(ROOT / directory)

            def measure() -> None:
                files = read.files | {"train.py": f"{read.files['train.py']}# {next(numbers)}\n"}
                submission = submission_of(directory, files, tests=read.tests)
                session.grade(submission, options)

            return measure

        def cold(*arguments: str) -> Callable[[], object]:
            return lambda: grader("grade", *arguments, "--json", "-")

        measures = {
            BASELINE: import_torch,
            "starter, cold": cold("candidate"),
            "starter, cold, with HTML": cold("candidate", "--html", str(Path(scratch) / "report.html")),
            "starter, warm, verdict": warm("candidate", (), explain=False),
            "starter, warm, whole": warm("candidate", (), explain=True),
            "reference's items, cold": cold("reference", "--only", *items),
            "reference's items, warm, verdict": warm("reference", items, explain=False),
            "reference's items, warm, whole": warm("reference", items, explain=True),
            "reference, cold": cold("reference"),
            "reference, warm, whole": warm("reference", (), explain=True),
            "the same checks, plain pytest": lambda: python("-m", "pytest", "-q", "tests/benchmarks/in_process.py"),
        }
        warmed = {name for name in GOALS if "warm" in name}
        found = rounds(measures, count_of_rounds, warmed=warmed)
    print_ratios(found, GOALS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long a grade takes and what it costs, over import torch.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often everything is measured (5)")
    main(parser.parse_args().rounds)
