"""``grader inject``: build a new exercise from a correct GPT, and prove it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.commands.progress import Progress
from grader.errors import UsageError
from grader.printable import one_line
from grader.sandbox.client import Launcher

if TYPE_CHECKING:
    from grader.inject.build import Built
    from grader.inject.recipe import Recipe


def run(directory: Path, recipe: "Recipe", *, source: Path | None, force: bool) -> int:
    """Build, prove, write; the exit code."""
    from grader.inject.folder import check_target, write

    check_target(directory, force=force)
    hidden, reference = read_reference(source)
    with Launcher("strict" if sys.platform == "linux" else "process", hidden=[hidden]) as launcher:
        from grader.inject.build import build

        with Progress() as progress:
            built = build(recipe, reference, launcher, progress)
        write(built, directory)
    _print(built, directory)
    return 0


def read_reference(source: Path | None) -> tuple[Path, dict[str, str]]:
    """A reference's directory and its source texts, with plain line ends; the built-in one without a ``source``."""
    from grader.exercise import builtin_reference
    from grader.submission import read_submission

    directory = (source or builtin_reference()).resolve()
    submission = read_submission(directory)
    if submission.notes:
        raise UsageError(f"the reference {str(directory)!r} cannot be read whole: {'; '.join(submission.notes)}")
    # What is planted is spelt with plain line ends; among others it would stand out.
    return directory, {name: text.replace("\r\n", "\n").replace("\r", "\n") for name, text in submission.files.items()}


def _print(built: "Built", directory: Path) -> None:
    write = sys.stdout.write
    exercise = built.exercise
    certificate = exercise.key.certificate
    assert certificate is not None
    write(f"{exercise.rubric.title} ({exercise.rubric.id})\n\n")
    for bug in exercise.key.bugs:
        assert bug.difficulty is not None
        write(f"  {bug.item}  {bug.operator} ({bug.category}), {bug.difficulty.bucket}\n")
        write(f"         {bug.file}, seen by {', '.join(bug.killed_by)}\n")
    for mutant, reason in built.rejected:
        write(f"  not {mutant}: {reason}\n")
    write(f"\nProven: all {len(certificate.rows)} subsets of the bugs are graded as they should be.\n")
    where = one_line(str(directory))
    write(f"Written: {where}\n  {where}/starter    for the learner\n  {where}/reference  for the grader\n")
