"""``grader verify``: prove an exercise sound, and print what was seen."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli.options import add_command, add_isolation
from grader.files.printable import one_line, printable

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.injection.verify import Verification

UNSOUND: Final = 1
HEADING: Final = "Checks and the bugs they see"


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "verify", "prove an exercise sound: solvable, and credited bug by bug")
    command.add_argument("exercise", metavar="EXERCISE", type=Path, help="its directory")
    add_isolation(command, "the processes that run the code")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify and print; 0 when the exercise is sound, 1 when it is not."""
    from grader.cli.exercises import reference_directory
    from grader.preconditions import naming_the_way_out
    from grader.report.progress import Progress
    from grader.sandbox.client import Launcher

    hidden = reference_directory(arguments.exercise)
    with naming_the_way_out(), Launcher(arguments.isolation, hidden=[hidden]) as launcher:
        from grader.exercise.model import read_exercise
        from grader.injection.verify import verify

        exercise = read_exercise(arguments.exercise)
        with Progress() as progress:
            found = verify(exercise, launcher, progress)
    # What an exercise says of itself may come from anybody.
    sys.stdout.write(printable("\n".join([f"{exercise.rubric.title} ({exercise.rubric.id})\n", *_lines(found)])) + "\n")
    return 0 if found.sound else UNSOUND


def _lines(found: "Verification") -> Iterator[str]:
    for finding in found.findings:
        yield f"  {'no ' if finding.wrong else 'yes'}  {one_line(finding.what)}"
        if finding.wrong:
            yield f"       {one_line(finding.wrong)}"
    checks = sorted({check for killers in found.matrix.values() for check in killers})
    width = max(len(check) for check in (HEADING, *checks))
    yield f"\n{HEADING:{width}}  {'  '.join(found.matrix)}"
    for check in checks:
        marks = "  ".join(f"{'x' if check in killers else '.':{len(item)}}" for item, killers in found.matrix.items())
        yield f"{check:{width}}  {marks.rstrip()}"
    yield f"\nThis exercise is {'sound' if found.sound else 'not sound'}."
