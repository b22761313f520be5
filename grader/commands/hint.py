"""``grader hint``: the next of three hints for an item."""

import sys
import textwrap
from pathlib import Path
from typing import Final

import msgspec

from grader.commands.exercises import chosen_exercise, exercise_of
from grader.errors import UsageError
from grader.exercise import Hints, Item
from grader.workspace import read_workspace, write_workspace

KINDS: Final = {
    "bug": ("what it looks like", "where to look", "how it comes about"),
    "extension": ("what is asked", "what to keep in mind", "how it is done"),
}
WIDTH: Final = 80


def run(directory: Path, item: str, *, exercise: Path | None) -> int:
    """Print the next hint and remember that it was shown; after the last one, print that again. Always 0."""
    chosen = chosen_exercise(exercise_of(directory, exercise))
    if item not in chosen.items:
        raise UsageError(f"no such item: {item!r}; this exercise has {', '.join(chosen.items)}")
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


def _print(item: Item, number: int, hints: Hints) -> None:
    left = len(hints) - number
    rest = f"{left} more" if left else "that was the last one"
    sys.stdout.write(
        f"{item.title}, hint {number} of {len(hints)}: {KINDS[item.kind][number - 1]}\n\n"
        f"{textwrap.fill(hints[number - 1], WIDTH, initial_indent='  ', subsequent_indent='  ')}\n\n"
        f"({rest})\n"
    )
