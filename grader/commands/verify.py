"""``grader verify``: prove an exercise sound, and print what was seen."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.commands.exercises import reference_directory
from grader.commands.progress import Progress
from grader.printable import one_line
from grader.sandbox.client import Launcher

if TYPE_CHECKING:
    from grader.inject.verify import Verification

UNSOUND = 1


def run(directory: Path) -> int:
    """Verify and print; 0 when the exercise is sound, 1 when it is not."""
    hidden = reference_directory(directory)
    with Launcher("strict" if sys.platform == "linux" else "process", hidden=[hidden]) as launcher:
        from grader.exercise import read_exercise
        from grader.inject.verify import verify

        exercise = read_exercise(directory)
        with Progress() as progress:
            found = verify(exercise, launcher, progress)
    sys.stdout.write(f"{one_line(exercise.rubric.title)} ({exercise.rubric.id})\n\n")
    _print(found)
    return 0 if found.sound else UNSOUND


def _print(found: "Verification") -> None:
    write = sys.stdout.write
    for finding in found.findings:
        write(f"  {'no ' if finding.wrong else 'yes'}  {one_line(finding.what)}\n")
        if finding.wrong:
            write(f"       {one_line(finding.wrong)}\n")
    checks = sorted({check for killers in found.matrix.values() for check in killers})
    width = max(map(len, checks), default=0)
    write(f"\n{'Checks and the bugs they see':{width}}  {'  '.join(found.matrix)}\n")
    for check in checks:
        marks = "  ".join(f"{'x' if check in killers else '.':{len(item)}}" for item, killers in found.matrix.items())
        write(f"{check:{width}}  {marks.rstrip()}\n")
    write(f"\n{'This exercise is sound.' if found.sound else 'This exercise is not sound.'}\n")
