"""``grader hint``: the next of three hints for an item, or what there are hints for."""

import argparse
import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli.options import add_command, add_exercise
from grader.errors import UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.exercise.model import Exercise
    from grader.report.text import Command

WIDTH: Final = 80


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands, "hint", "the next of three hints for an item; never the solution", judges=False, only_prints=True
    )
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    command.add_argument(
        "item",
        metavar="ITEM",
        nargs="?",
        help="an item, a follow-up, or does-not-run; without it: what there is, and how much was shown",
    )
    add_exercise(command, "the one that the workspace was started from")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the next hint of an item, or without one which hints there are; always 0."""
    from grader.cli.exercises import chosen_exercise, exercise_of
    from grader.learner.hints import require_hints
    from grader.learner.workspace import check_workspace, feedback_in

    directory: Path = arguments.directory
    try:
        check_workspace(directory)
    except UsageError as error:
        raise UsageError(f"{error}{_item_alone(arguments)}") from None
    exercise = chosen_exercise(exercise_of(directory, arguments.exercise))
    require_hints(feedback_in(directory, exercise))
    if arguments.item is None:
        _print_all(directory, exercise, arguments.exercise)
    else:
        _print_next(directory, exercise, arguments.item)
    return 0


def _item_alone(arguments: argparse.Namespace) -> str:
    """What was meant by ``grader hint ITEM`` in a workspace; empty where that is not what was typed."""
    from grader.cli.exercises import chosen_exercise, exercise_of
    from grader.learner.hints import hintable
    from grader.learner.workspace import check_workspace

    name, here = str(arguments.directory), Path()
    if arguments.item is not None or arguments.directory.exists():
        return ""
    try:
        check_workspace(here)
        known = hintable(chosen_exercise(exercise_of(here, arguments.exercise)))
    except UsageError:
        return ""
    return f"; did you mean `{hint_command(here, arguments.exercise)(name)}`?" if name in known else ""


def hint_command(directory: Path, exercise: Path | None) -> "Command":
    """How the hint for an item of a directory is asked for.

    Args:
        exercise: as it was named on the command line; None where it was not.
    """
    where = shlex.quote(one_line(str(directory)))
    named = "" if exercise is None else f" --exercise {shlex.quote(one_line(str(exercise)))}"
    return lambda item: f"grader hint {where} {shlex.quote(item)}{named}"


def _print_next(directory: Path, exercise: "Exercise", item: str) -> None:
    """The next hint, which is then remembered as shown; after the last one, that again."""
    from grader.learner.hints import next_hint, no_hint

    hint = next_hint(directory, exercise, item)
    if hint is None:
        sys.stdout.write(f"{no_hint(exercise, item)}\n")
        return
    left = hint.of - hint.number
    rest = f"{left} more" if left else "that was the last one"
    sys.stdout.write(
        f"{hint.title}, hint {hint.number} of {hint.of}: {hint.kind}\n\n"
        f"{textwrap.fill(hint.text, WIDTH, initial_indent='  ', subsequent_indent='  ', break_on_hyphens=False)}\n\n"
        f"({rest})\n"
    )


def _print_all(directory: Path, exercise: "Exercise", named: Path | None) -> None:
    """What there are hints for, and how many of each were shown."""
    sys.stdout.write(f"{exercise.rubric.title}: hints\n\n{_table(directory, exercise)}\n")
    sys.stdout.write(f"For the next one: {hint_command(directory, named)('ITEM')}\n")


def _table(directory: Path, exercise: "Exercise") -> str:
    """A line for each thing that has hints, by the name that is typed."""
    from grader.learner.hints import offered, right_now
    from grader.learner.workspace import read_workspace
    from grader.report import terminal

    workspace = read_workspace(directory)
    right = right_now(directory)
    rows = offered(exercise, right)
    names = max(map(len, rows))
    titles = max(terminal.width(each.title) for each in rows.values())
    lines = []
    for name, each in rows.items():
        shown = f"{min(workspace.hints.get(name, 0), len(each.hints))} of {len(each.hints)} shown"
        status = f"right, {shown}" if name in right else shown
        lines.append(f"  {name:{names}}  {terminal.pad(each.title, titles)}  {status}\n")
    return "".join(lines)
