"""``grader recheck``: whether recorded verdicts still hold."""

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
    add_running,
    backend_of,
    options_of,
)
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from typing import IO

    from grader.cli.options import Commands
    from grader.cohort.recheck import Recordings, Tally
    from grader.report.terminal import Progress
    from grader.result.lines import RecheckLine, Worth

ROWS: Final = 40  # of the table; all of them are in the file
ITEMS: Final = 4  # of a row


def add(commands: "Commands") -> None:
    """Add the command."""
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
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare; 0 where every verdict is reached again, 1 where one is not, 3 where one could not be judged."""
    from dataclasses import replace

    from grader.cli.exercises import chosen_exercise
    from grader.cohort.recheck import Rechecks, Recordings, Submissions, require_submissions
    from grader.report.terminal import Progress

    exercise = chosen_exercise(arguments.exercise)
    recordings = Recordings(arguments.recorded)
    if not arguments.offline and not arguments.submissions:
        require_submissions(arguments.recorded)
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
