"""``grader completion``: what a shell needs to complete commands, options and paths."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.cli.options import Commands


def add(commands: "Commands", parser: Callable[[], argparse.ArgumentParser]) -> None:
    """Add the command.

    Args:
        parser: makes the parser of all commands.
    """
    command = add_command(commands, "completion", "print the script that completes grader in a shell")
    command.add_argument("shell", choices=("bash", "zsh"), help="the shell")
    command.set_defaults(run=lambda arguments: _run(arguments.shell, parser()))


def _run(shell: str, parser: argparse.ArgumentParser) -> int:
    """Print it; always 0."""
    from grader.preconditions import install

    try:
        import shtab
    except ModuleNotFoundError as error:
        raise UsageError(f"grader completion needs shtab ({error}); {install('completion')}") from None
    for action in _actions(parser):
        if action.type is Path or action.metavar in ("FILE", "DIR"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks
    sys.stdout.write(shtab.complete(parser, shell=shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments of a parser and of its commands."""
    for action in parser._actions:  # argparse has no other way to them; shtab takes the same
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
