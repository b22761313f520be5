"""``grader batch``: a line for each submission of a JSONL file; ``grader recheck``: whether verdicts still hold."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
    from typing import IO, BinaryIO

    from grader.cli.options import Commands
    from grader.cohort.batch import Counts
    from grader.cohort.recheck import Recordings, Tally
    from grader.report.progress import Progress
    from grader.result.lines import RecheckLine, ResultLine, Worth

INTERRUPTED: Final = 130
STANDARD_INPUT: Final = Path("-")
ROWS: Final = 40  # of the table of a recheck; all of them are in its file
ITEMS: Final = 4  # of a row


def add(commands: "Commands") -> None:
    """Add both commands."""
    _add_batch(commands)
    _add_recheck(commands)


def _add_batch(commands: "Commands") -> None:
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
    from grader.report.progress import Progress
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


def _add_recheck(commands: "Commands") -> None:
    command = add_command(commands, "recheck", "grade recorded verdicts again, and say which rewards would be others")
    command.add_argument(
        "recorded",
        metavar="RESULT",
        nargs="+",
        type=Path,
        help="results.jsonl of a batch, result.json of a grade, a certificate, or a directory of them, as of a cohort",
    )
    command.add_argument(
        "--submissions",
        metavar="PATH",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        help="where the submissions are, which are found by their hash: the JSONL of a batch, a directory or an "
        "archive of them; a certificate holds its own",
    )
    command.add_argument("-o", "--output", metavar="FILE.jsonl", type=Path, help="write a line for each here")
    command.add_argument(
        "--offline",
        action="store_true",
        help="grade nothing: say whether certificates hold together",
    )
    add_jobs(command)
    add_exercise(command, "the built-in one")
    add_running(command, timeout="as recorded, up to a minute")
    command.set_defaults(run=run_recheck)


def run_recheck(arguments: argparse.Namespace) -> int:
    """Compare; 0 where every verdict is reached again, 1 where one is not, 3 where one could not be judged."""
    from dataclasses import replace

    from grader.cli.exercises import chosen_exercise
    from grader.cohort.recheck import Rechecks, Recordings, Submissions
    from grader.report.progress import Progress

    exercise = chosen_exercise(arguments.exercise)
    recordings = Recordings(arguments.recorded)
    submissions = Submissions.in_places([] if arguments.offline else arguments.submissions)
    rechecks = Rechecks(exercise, submissions, replace(options_of(arguments), explain=False), arguments.timeout)
    reporter: _Table | None = None
    try:
        with ExitStack() as stack:
            file = _fresh(arguments.output, stack)
            progress = stack.enter_context(Progress())
            reporter = _Table(progress, file)
            if arguments.offline:
                tally = rechecks.examine(recordings, reporter)
            else:
                backend = backend_of(arguments)
                tally = rechecks.run(recordings, lambda setup: backend(setup, progress), reporter)
    except KeyboardInterrupt:
        if reporter is None:
            raise
        sys.stderr.write(f"\ngrader: interrupted; {reporter.count} compared\n")
        return INTERRUPTED
    _print_tally(tally, recordings, reporter, arguments)
    if tally.unjudged:
        return CannotJudge.exit_code
    return int(bool(tally.other_rewards or tally.other_verdicts or tally.missing or recordings.unreadable))


class _Table:
    """Each line: into the file, and into the table where something is other."""

    def __init__(self, progress: "Progress", file: "IO[bytes] | None") -> None:
        self._progress = progress
        self._file = file
        self.count = 0
        self.rows: list[str] = []
        self.left_out = 0

    def __call__(self, line: "RecheckLine") -> None:
        from grader.result.lines import to_line

        self.count += 1
        if self._file is not None:
            self._file.write(to_line(line))
            self._file.flush()
        self._progress(f"[{self.count}] {_verdict(line)}, {line.id[:80]}")
        if line.error is None and line.same_reward is not False and not line.items:
            return
        if len(self.rows) < ROWS:
            self.rows.append(_row(line))
        else:
            self.left_out += 1


def _fresh(path: Path | None, stack: ExitStack) -> "IO[bytes] | None":
    """The file for the lines, which must not be there yet: its lines belong to one run."""
    if path is None:
        return None
    try:
        return stack.enter_context(path.open("xb"))
    except FileExistsError:
        raise UsageError(f"{str(path)!r} exists; choose another name") from None
    except FileNotFoundError:
        raise UsageError(f"cannot write {str(path)!r}: there is no directory {str(path.parent)!r}") from None
    except OSError as error:
        raise CannotJudge(f"cannot write {str(path)!r}: {error.strerror}") from None


def _verdict(line: "RecheckLine") -> str:
    if line.error is not None:
        return f"not compared ({line.error.message[:200]})"
    if line.same_reward is None:
        return "holds together"
    return "the same" if line.same_reward and not line.items else "another verdict"


def _row(line: "RecheckLine") -> str:
    name = one_line(line.id)[:40]
    if line.error is not None:
        return f"{_reward(line.recorded):>8} {'-':>8}  {name}: {one_line(line.error.message)[:200]}"
    changes = [f"{change.id} {_points(change.recorded)} -> {_points(change.here)}" for change in line.items[:ITEMS]]
    if len(line.items) > ITEMS:
        changes.append(f"and {len(line.items) - ITEMS} more")
    return f"{_reward(line.recorded):>8} {_reward(line.here):>8}  {name}: {', '.join(changes)}".rstrip(": ")


def _reward(worth: "Worth | None") -> str:
    return "-" if worth is None or worth.reward is None else f"{worth.reward:.4f}"


def _points(item: object) -> str:
    from grader.result.lines import ItemLine

    return f"{item.score:g} ({item.status})" if isinstance(item, ItemLine) else "not asked"


def _print_tally(tally: "Tally", recordings: "Recordings", reporter: _Table, arguments: argparse.Namespace) -> None:
    """The table of what is other, and how many are of each kind."""
    if reporter.rows:
        sys.stdout.write(f"{'recorded':>8} {'here':>8}  submission\n")
        sys.stdout.write("".join(f"{row}\n" for row in reporter.rows))
    if reporter.left_out:
        where = "" if arguments.output is not None else "; -o writes them all"
        sys.stdout.write(f"and {reporter.left_out} more{where}\n")
    if arguments.offline:
        sys.stdout.write(
            f"{tally.lines - tally.missing} of {tally.lines} certificates hold together. That their verdicts are "
            "right is shown by grading again, without --offline.\n"
        )
    else:
        sys.stdout.write(
            f"{tally.graded} of {tally.lines} verdicts reached again: {tally.other_rewards} rewards would be others, "
            f"{tally.other_verdicts} more differ in an item; {tally.same_results} results are the same to the byte\n"
        )
    for what, count in sorted(tally.differs.items()):
        sys.stdout.write(f"  another {what} than was recorded: {count}\n")
    for problem in recordings.unreadable[:ROWS]:
        sys.stdout.write(f"  {one_line(problem)[:300]}\n")
    if recordings.ignored:
        sys.stdout.write(f"  {recordings.ignored} files are no results, and were left out\n")
    if arguments.output is not None:
        sys.stdout.write(f"Written: {one_line(str(arguments.output))}\n")
