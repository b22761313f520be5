"""``grader hint``: the next of three hints for an item, or what there are hints for."""

import shlex
import sys
import textwrap
from pathlib import Path
from typing import Final

from grader.cli.exercises import chosen_exercise, exercise_of
from grader.exercise.model import Exercise
from grader.files.printable import one_line
from grader.learner.hints import Hint, hintable, next_hint, right_now
from grader.learner.workspace import check_workspace, read_workspace
from grader.report import columns

WIDTH: Final = 80


def run(directory: Path, item: str, *, exercise: Path | None) -> int:
    """Print the next hint and remember that it was shown; after the last one, print that again. Always 0."""
    check_workspace(directory)
    chosen = chosen_exercise(exercise_of(directory, exercise))
    hint = next_hint(directory, chosen, item)
    if hint is None:
        title = hintable(chosen)[item].title
        sys.stdout.write(f"{title}: right already, by the last grade of these files.\n")
    else:
        _print(hint)
    return 0


def run_without_item(directory: Path, *, exercise: Path | None) -> int:
    """Print what there are hints for, and how many of each were shown; always 0."""
    check_workspace(directory)
    chosen = chosen_exercise(exercise_of(directory, exercise))
    named = "" if exercise is None else f" --exercise {shlex.quote(one_line(str(exercise)))}"
    sys.stdout.write(f"{chosen.rubric.title}: hints\n\n{_table(directory, chosen)}\n")
    sys.stdout.write(f"For the next one: grader hint {shlex.quote(one_line(str(directory)))} ITEM{named}\n")
    return 0


def _table(directory: Path, exercise: Exercise) -> str:
    """A line for each thing that has hints, by the name that is typed."""
    workspace = read_workspace(directory)
    right = right_now(directory, workspace)
    rows = hintable(exercise)
    names = max(map(len, rows))
    titles = max(columns.width(each.title) for each in rows.values())
    lines = []
    for name, each in rows.items():
        shown = f"{min(workspace.hints.get(name, 0), len(each.hints))} of {len(each.hints)} shown"
        told = f"right, {shown}" if name in right else shown
        lines.append(f"  {name:{names}}  {columns.pad(each.title, titles)}  {told}\n")
    return "".join(lines)


def _print(hint: Hint) -> None:
    left = hint.of - hint.number
    rest = f"{left} more" if left else "that was the last one"
    sys.stdout.write(
        f"{hint.title}, hint {hint.number} of {hint.of}: {hint.kind}\n\n"
        f"{textwrap.fill(hint.text, WIDTH, initial_indent='  ', subsequent_indent='  ', break_on_hyphens=False)}\n\n"
        f"({rest})\n"
    )
