"""``grader inject``: build a new exercise from a correct GPT, and prove it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.progress import Progress
from grader.files.printable import one_line
from grader.isolation_advice import naming_the_way_out
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode

if TYPE_CHECKING:
    from grader.injection.build import Built
    from grader.injection.recipe import Recipe


def run(directory: Path, recipe: "Recipe", *, source: Path | None, force: bool, isolation: Mode) -> int:
    """Build, prove, write; the exit code."""
    from grader.injection.folder import check_target, write
    from grader.injection.origin import read_reference

    check_target(directory, force=force, replacing="--force")
    hidden, reference = read_reference(source)
    with naming_the_way_out(), Launcher(isolation, hidden=[hidden]) as launcher:
        from grader.injection.build import build

        with Progress() as progress:
            built = build(recipe, reference, launcher, progress)
        write(built, directory)
    sys.stdout.write(told(built, directory))
    return 0


def told(built: "Built", directory: Path) -> str:
    """What was built, for a terminal: the bugs, what was passed over and why, the proof, and where it lies."""
    from grader.injection.fit import in_one_line

    exercise = built.exercise
    certificate = exercise.key.certificate
    assert certificate is not None
    lines = [f"{exercise.rubric.title} ({exercise.rubric.id})", ""]
    for bug in exercise.key.bugs:
        assert bug.difficulty is not None
        lines.append(f"  {bug.item}  {bug.operator} ({bug.category}), {bug.difficulty.bucket}")
        lines.append(f"         {bug.file}, seen by {', '.join(bug.killed_by)}")
    if built.rejected:
        lines += ["", "Drawn too, and passed over:"]
        lines += [f"  {mutant}: {reason}" for mutant, reason in built.rejected]
    if built.fit is not None:
        lines += ["", one_line(f"{in_one_line(built.fit)}.")]
    if built.left_out:
        lines += ["", f"Not asked, since the reference does not pass it itself: {', '.join(built.left_out)}"]
    where = one_line(str(directory))
    lines += [
        "",
        f"Proven: all {len(certificate.rows)} subsets of the bugs are graded as they should be.",
        f"Written: {where}",
        f"  {where}/starter    for the learner",
        f"  {where}/reference  for the grader",
    ]
    return "".join(f"{line}\n" for line in lines)
