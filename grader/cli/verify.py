"""``grader verify``: prove an exercise sound, and print what was seen."""

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli.options import add_command, add_isolation
from grader.errors import UsageError
from grader.files.printable import one_line, printable

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.injection.verify import Verification

UNSOUND: Final = 1
YES, NO, OLD = "yes", "no ", "old"
HEADING: Final = "Checks and the bugs they see"


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "verify", "prove an exercise sound: solvable, and credited bug by bug")
    command.add_argument("exercise", metavar="EXERCISE", type=Path, help="its directory, or built-in")
    command.add_argument(
        "--renew",
        action="store_true",
        help="after an intended change: find the places of the bugs again, prove the exercise anew, and where it is "
        "sound keep that proof, with the starter that goes with it",
    )
    add_isolation(command, "the processes that run the code")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify and print; 0 when the exercise is sound, 1 when it is not, or was changed since it was proven."""
    from grader.cli.exercises import BUILT_IN, chosen_exercise, reference_directory
    from grader.preconditions import naming_the_way_out
    from grader.report.terminal import Progress
    from grader.sandbox.client import Launcher

    hidden = reference_directory(arguments.exercise)
    is_built_in = arguments.exercise == BUILT_IN
    if is_built_in and arguments.renew:
        raise UsageError(
            "exercise='built-in' cannot be renewed: it comes with the grader; expected the directory of an exercise of "
            "your own (in a checkout of the grader, `make generate` makes the built-in one anew)"
        )
    with naming_the_way_out(), Launcher(arguments.isolation, hidden=[hidden]) as launcher:
        from grader.exercise.model import builtin_exercise, read_parts
        from grader.injection.renew import renew
        from grader.injection.verify import out_of_place, verify

        written: tuple[str, ...] = ()
        with Progress() as progress:
            exercise = builtin_exercise() if is_built_in else read_parts(arguments.exercise)
            if arguments.renew:
                found, written = renew(arguments.exercise, launcher, progress)
            else:
                found = out_of_place(exercise) or verify(chosen_exercise(arguments.exercise), launcher, progress)
    # What an exercise says of itself may come from anybody.
    sys.stdout.write(
        printable(
            "\n".join(
                [
                    f"{exercise.rubric.title} ({exercise.rubric.id})\n",
                    *_lines(found),
                    _verdict(found, arguments.exercise),
                ]
            )
        )
        + "\n"
    )
    if found.sound and arguments.renew:
        sys.stdout.write(f"Renewed: {', '.join(written) or 'nothing was out of date'}.\n")
    return 0 if found.sound else UNSOUND


def _lines(found: "Verification") -> Iterator[str]:
    for finding in found.findings:
        yield f"  {OLD if finding.renewable else NO if finding.wrong else YES}  {one_line(finding.what)}"
        if finding.wrong:
            yield f"       {one_line(finding.wrong)}"
    if not found.matrix:
        return
    checks = sorted({check for killers in found.matrix.values() for check in killers})
    width = max(len(check) for check in (HEADING, *checks))
    yield f"\n{HEADING:{width}}  {'  '.join(found.matrix)}"
    for check in checks:
        marks = "  ".join(f"{'x' if check in killers else '.':{len(item)}}" for item, killers in found.matrix.items())
        yield f"{check:{width}}  {marks.rstrip()}"


def _verdict(found: "Verification", exercise: Path) -> str:
    if found.changed:
        return (
            "\nThis exercise was changed since it was proven. It is not unsound: what is marked as old is out of date, "
            "and all else\nholds for it as it is now. To prove it anew and keep that: "
            f"grader verify --renew {shlex.quote(one_line(str(exercise)))}"
        )
    return f"\nThis exercise is {'sound' if found.sound else 'not sound'}."
