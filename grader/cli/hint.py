"""``grader hint``: the next of three hints for an item, or which items there are."""

import argparse
import shlex
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli.options import add_command, add_exercise
from grader.errors import UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.exercise.model import Exercise, Hints, Item

KINDS: Final = {
    "bug": ("what it looks like", "where to look", "how it comes about"),
    "extension": ("what is asked", "what to keep in mind", "how it is done"),
}
WIDTH: Final = 80


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands, "hint", "the next of three hints for an item; never the solution", judges=False, only_prints=True
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    command.add_argument(
        "item", metavar="ITEM", nargs="?", help="an item of the grade; without it: which there are, and what was shown"
    )
    add_exercise(command, "the one that the workspace was started from")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the next hint of an item, or without one which hints there are; always 0."""
    from grader.cli.exercises import chosen_exercise, exercise_of
    from grader.learner.workspace import check_workspace

    directory: Path = arguments.directory
    check_workspace(directory)
    exercise = chosen_exercise(exercise_of(directory, arguments.exercise))
    if arguments.item is None:
        _print_items(directory, exercise, arguments.exercise)
    else:
        _print_next(directory, exercise, arguments.item)
    return 0


def _print_next(directory: Path, exercise: "Exercise", item: str) -> None:
    """The next hint, and remember that it was shown; after the last one, that again."""
    from msgspec.structs import replace

    from grader.learner.workspace import read_workspace, write_workspace
    from grader.suggestions import did_you_mean

    if item not in exercise.items:
        near = did_you_mean(item, exercise.items)
        raise UsageError(f"no such item: {item!r}; this exercise has {', '.join(exercise.items)}{near}")
    hints = exercise.hints_of(item)
    if hints is None:
        raise UsageError(f"there are no hints for {item!r} in this exercise")
    workspace = read_workspace(directory)
    shown = workspace.hints.get(item, 0)
    number = min(shown + 1, len(hints))
    if number > shown:
        write_workspace(directory, replace(workspace, hints=workspace.hints | {item: number}))
    _print(exercise.items[item], number, hints)


def _print_items(directory: Path, exercise: "Exercise", named: Path | None) -> None:
    """The items that there are hints for, and how many of each were shown."""
    from grader.learner.workspace import read_workspace

    shown = read_workspace(directory).hints
    option = "" if named is None else f" --exercise {shlex.quote(one_line(str(named)))}"
    sys.stdout.write(f"{exercise.rubric.title}: hints\n\n{_table(exercise, shown)}\n")
    sys.stdout.write(f"For the next one: grader hint {shlex.quote(one_line(str(directory)))} ITEM{option}\n")


def _table(exercise: "Exercise", shown: Mapping[str, int]) -> str:
    """A line for each item that has hints, by the name that is typed."""
    from grader.report import columns

    rows = [(item.id, item.title, hints) for item in exercise.rubric.item if (hints := exercise.hints_of(item.id))]
    names = max((len(name) for name, _, _ in rows), default=0)
    titles = max((columns.width(title) for _, title, _ in rows), default=0)
    return "".join(
        f"  {name:{names}}  {columns.pad(title, titles)}  {min(shown.get(name, 0), len(hints))} of {len(hints)} shown\n"
        for name, title, hints in rows
    )


def _print(item: "Item", number: int, hints: "Hints") -> None:
    left = len(hints) - number
    rest = f"{left} more" if left else "that was the last one"
    sys.stdout.write(
        f"{item.title}, hint {number} of {len(hints)}: {KINDS[item.kind][number - 1]}\n\n"
        f"{textwrap.fill(hints[number - 1], WIDTH, initial_indent='  ', subsequent_indent='  ')}\n\n"
        f"({rest})\n"
    )
