"""``grader hint``: the next of three hints for an item, or which items there are."""

import shlex
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from grader.cli.exercises import chosen_exercise, exercise_of
from grader.errors import UsageError
from grader.exercise.model import Exercise, Hints, Item
from grader.files.printable import one_line
from grader.learner.workspace import check_workspace, read_workspace, write_workspace
from grader.report import columns
from grader.suggestions import did_you_mean

KINDS: Final = {
    "bug": ("what it looks like", "where to look", "how it comes about"),
    "extension": ("what is asked", "what to keep in mind", "how it is done"),
}
WIDTH: Final = 80


def run(directory: Path, item: str, *, exercise: Path | None) -> int:
    """Print the next hint and remember that it was shown; after the last one, print that again. Always 0."""
    check_workspace(directory)
    chosen = chosen_exercise(exercise_of(directory, exercise))
    if item not in chosen.items:
        near = did_you_mean(item, chosen.items)
        raise UsageError(f"no such item: {item!r}; this exercise has {', '.join(chosen.items)}{near}")
    hints = chosen.hints_of(item)
    if hints is None:
        raise UsageError(f"there are no hints for {item!r} in this exercise")
    workspace = read_workspace(directory)
    shown = workspace.hints.get(item, 0)
    number = min(shown + 1, len(hints))
    if number > shown:
        write_workspace(directory, msgspec.structs.replace(workspace, hints=workspace.hints | {item: number}))
    _print(chosen.items[item], number, hints)
    return 0


def run_without_item(directory: Path, *, exercise: Path | None) -> int:
    """Print the items that there are hints for, and how many of each were shown; always 0."""
    check_workspace(directory)
    chosen = chosen_exercise(exercise_of(directory, exercise))
    shown = read_workspace(directory).hints
    named = "" if exercise is None else f" --exercise {shlex.quote(one_line(str(exercise)))}"
    sys.stdout.write(f"{chosen.rubric.title}: hints\n\n{_table(chosen, shown)}\n")
    sys.stdout.write(f"For the next one: grader hint {shlex.quote(one_line(str(directory)))} ITEM{named}\n")
    return 0


def _table(exercise: Exercise, shown: Mapping[str, int]) -> str:
    """A line for each item that has hints, by the name that is typed."""
    rows = [(item.id, item.title, hints) for item in exercise.rubric.item if (hints := exercise.hints_of(item.id))]
    names = max((len(name) for name, _, _ in rows), default=0)
    titles = max((columns.width(title) for _, title, _ in rows), default=0)
    return "".join(
        f"  {name:{names}}  {columns.pad(title, titles)}  {min(shown.get(name, 0), len(hints))} of {len(hints)} shown\n"
        for name, title, hints in rows
    )


def _print(item: Item, number: int, hints: Hints) -> None:
    left = len(hints) - number
    rest = f"{left} more" if left else "that was the last one"
    sys.stdout.write(
        f"{item.title}, hint {number} of {len(hints)}: {KINDS[item.kind][number - 1]}\n\n"
        f"{textwrap.fill(hints[number - 1], WIDTH, initial_indent='  ', subsequent_indent='  ')}\n\n"
        f"({rest})\n"
    )
