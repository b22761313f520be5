"""``grader export``: an exercise as a task folder for agents."""

import sys
from pathlib import Path

from grader.cli.exercises import chosen_exercise
from grader.files.folders import check_free, write_folder
from grader.files.printable import one_line


def run(exercise: Path | None, directory: Path) -> int:
    """Write the folder and say what is where; always 0."""
    check_free(directory)
    from grader.environments.harbor import harbor_task

    chosen = chosen_exercise(exercise)
    write_folder(directory, harbor_task(chosen))
    where = one_line(str(directory))
    sys.stdout.write(
        f"{chosen.rubric.title} ({chosen.rubric.id})\n"
        f"Written: {where}\n"
        f"  {where}/instruction.md, environment    for the agent\n"
        f"  {where}/tests, solution                for the verifier and the oracle alone\n"
    )
    return 0
