"""``grader start``: a learner's workspace, the starter alone."""

import shlex
import sys
from pathlib import Path

from grader.cli.exercises import BUILT_IN, chosen_exercise, starter_digest
from grader.exercise.starter import starter_files
from grader.files.printable import one_line
from grader.learner.workspace import start


def run(directory: Path, *, exercise: Path | None) -> int:
    """Make the workspace and say what to do in it; always 0."""
    chosen = chosen_exercise(exercise)
    if exercise == BUILT_IN:
        exercise = None
    files = starter_files(chosen)
    start(directory, files, exercise, starter_digest(chosen.starter()))
    where = shlex.quote(one_line(str(directory)))
    item = chosen.rubric.item[0].id
    sys.stdout.write(
        f"{chosen.rubric.title}\n"
        f"Written to {where}: {', '.join(files)}\n\n"
        f"Read its README.md first. Then:\n\n"
        + _listed(
            {
                f"grader watch {where}": "grades again whenever you save",
                f"grader hint {where}": "which hints there are",
                f"grader hint {where} {item}": "the next hint for an item",
                f"grader grade {where}": "the grade",
            }
        )
    )
    return 0


def _listed(commands: dict[str, str]) -> str:
    """A line for each command, what they do one below the other."""
    width = max(map(len, commands))
    return "".join(f"  {command:{width}}  {what}\n" for command, what in commands.items())
