"""``grader start``: a learner's workspace, the starter alone."""

import sys
from pathlib import Path

from grader.commands.exercises import chosen_exercise
from grader.printable import one_line
from grader.workspace import start


def run(directory: Path, *, exercise: Path | None) -> int:
    """Make the workspace and say what to do in it; always 0."""
    chosen = chosen_exercise(exercise)
    files = start(directory, chosen.starter_directory, exercise)
    where = one_line(str(directory))
    sys.stdout.write(
        f"{chosen.rubric.title}.\n"
        f"Written: {', '.join(f'{where}/{file}' for file in files)}\n\n"
        f"  Read {where}/README.md first.\n"
        f"  grader watch {where}          grades again whenever you save\n"
        f"  grader hint {where} {chosen.rubric.item[0].id}   the next hint for an item\n"
    )
    return 0
