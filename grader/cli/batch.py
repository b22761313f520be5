"""``grader batch``: a line for each submission of a JSONL file."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli import INTERRUPTED
from grader.cli.options import (
    add_command,
    add_exercise,
    add_jobs,
    add_questions,
    add_running,
    backend_of,
    options_of,
)
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from typing import BinaryIO

    from grader.cli.options import Commands
    from grader.cohort.batch import Counts
    from grader.report.terminal import Progress
    from grader.result.lines import ResultLine

STANDARD_INPUT: Final = Path("-")


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "batch", "grade the submissions of a JSONL file, and write a line for each")
    command.add_argument(
        "submissions",
        metavar="SUBMISSIONS.jsonl",
        type=Path,
        help="a line for each submission: an id, and either a path or the texts of its files; - for standard input",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="RESULTS.jsonl",
        type=Path,
        required=True,
        help="write a line for each here, as they are done",
    )
    add_jobs(command)
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on with RESULTS.jsonl: a verdict that is there stays, unless its submission has changed since",
    )
    add_exercise(command, "the built-in one")
    add_questions(
        command,
        seed="of each line that has none; without it each is drawn in secret",
        thorough="try eight times as many cases in each check, and larger ones",
    )
    command.add_argument(
        "--shared",
        action="store_true",
        help="put the same questions to all, drawn in secret once: faster, for rewards that are shown to no submission",
    )
    command.add_argument(
        "--followups",
        action="store_true",
        help="ask the follow-ups too, which no reward counts unless --only names them",
    )
    add_running(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Grade all lines; 0, 1 when one could not be graded for what it holds, or 3 when one could not be judged."""
    from dataclasses import replace

    from grader.cli.exercises import chosen_exercise
    from grader.cohort.batch import Batch, ResultsFile
    from grader.report.terminal import Progress
    from grader.seeds import draw_seed

    exercise = chosen_exercise(arguments.exercise)
    options = replace(options_of(arguments), followups=arguments.followups, explain=False, shared=arguments.shared)
    exercise.asked(options.only, followups=options.followups)
    is_input = arguments.submissions == STANDARD_INPUT
    if not is_input and arguments.output.exists() and arguments.submissions.resolve() == arguments.output.resolve():
        raise UsageError(f"{str(arguments.output)!r} is to be read and written; name another file for the results")
    batch: Batch | None = None
    try:
        with ExitStack() as stack:
            source = _opened(arguments.submissions, stack)
            progress = stack.enter_context(Progress())
            results = stack.enter_context(ResultsFile(arguments.output, resume=arguments.resume))
            if options.shared and options.seed is None:
                options = replace(options, seed=results.shared_seed if results.shared_seed is not None else draw_seed())
            beside = Path() if is_input else arguments.submissions.resolve().parent
            batch = Batch(source, beside, exercise, options, results)
            backend = backend_of(arguments)
            counts = batch.run(lambda setup: backend(setup, progress), _Reporter(progress))
    except KeyboardInterrupt:
        if batch is None:
            raise
        sys.stderr.write(f"\ngrader: interrupted; {batch.counts.kept + batch.counts.judged} graded and kept; ")
        sys.stderr.write("go on with --resume\n")
        return INTERRUPTED
    return _print(counts, arguments.output)


class _Reporter:
    """Each line that is written, on stderr."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._count = 0

    def __call__(self, line: "ResultLine") -> None:
        self._count += 1
        which = line.id if line.id is not None else f"line {line.line}"
        verdict = f"reward {line.reward:.3g}" if line.reward is not None else "no verdict"
        why = f": {line.error.message[:200]}" if line.error is not None else ""
        self._progress(f"[{self._count}] {verdict}, {which[:80]}{why}")


def _opened(path: Path, stack: ExitStack) -> "BinaryIO":
    if path == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return stack.enter_context(path.open("rb"))
    except OSError as error:
        raise UsageError(
            f"cannot read {str(path)!r}: {error.strerror}; expected a JSONL file with a submission in each line"
        ) from None


def _print(counts: "Counts", output: Path) -> int:
    """How many there are of each kind, and the exit code that follows."""
    from grader.result.lines import ErrorKind

    before = f", {counts.kept} of them before" if counts.kept else ""
    sys.stdout.write(f"{counts.kept + counts.judged} graded{before}\n")
    words = {
        ErrorKind.LINE: "lines cannot be understood",
        ErrorKind.SUBMISSION: "not graded, for what was handed in",
        ErrorKind.NOT_JUDGED: "not judged, or not on every item, for reasons of this machine",
    }
    for kind, what in words.items():
        if counts.errors[kind]:
            sys.stdout.write(f"{counts.errors[kind]} {what}\n")
    for complaint in counts.complaints:
        sys.stdout.write(f"  {one_line(complaint)[:300]}\n")
    if (more := counts.errors.total() - len(counts.complaints)) > 0:
        sys.stdout.write(f"  and {more} more, in the results\n")
    sys.stdout.write(f"Written: {one_line(str(output))}\n")
    if counts.errors[ErrorKind.NOT_JUDGED]:
        return CannotJudge.exit_code
    return 1 if counts.errors else 0
