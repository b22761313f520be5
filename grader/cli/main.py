"""The command line: parse, call, print, exit.

Heavy imports happen inside the commands: ``--help`` must answer at once, and the launcher starts to import
torch before the grader imports anything for itself.
"""

import argparse
import contextlib
import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from grader import __version__
from grader.cli import (
    READER_GONE,
    adapt,
    batch,
    cohort,
    compare,
    doctor,
    end_interrupted,
    export,
    grade,
    hint,
    history,
    inject,
    listen,
    mcp,
    mutations,
    recheck,
    report,
    review,
    sheets,
    start,
    verify,
    watch,
)
from grader.cli.options import add_command
from grader.errors import CannotJudge, GraderError, UsageError

if TYPE_CHECKING:
    from grader.cli.options import Commands


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code; see ``grader --help``."""
    closed = _open_what_is_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a character that the terminal does not have must cost no verdict
    options = parser().parse_args(arguments)
    _refuse_where_nothing_runs()
    listen()
    try:
        code = options.run(options)
        sys.stdout.flush()
        sys.exit(CannotJudge.exit_code if closed and _only_prints(options) else code)
    except GraderError as error:
        _say(f"grader: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        end_interrupted()
    except BrokenPipeError:
        _discard_output()
        sys.exit(READER_GONE)
    except ModuleNotFoundError as error:
        from grader.preconditions import not_installed

        _say(f"grader: {not_installed(error)}")
        sys.exit(CannotJudge.exit_code)
    except (OSError, MemoryError, ImportError) as error:
        # A full disk, no more descriptors or memory, half an installation: the machine's, wherever it strikes.
        from grader.preconditions import cannot_write, of_the_machine

        if isinstance(error, OSError) and error.filename is None and not options.judges:
            _say(f"grader: {cannot_write(error)}")  # its writer reports a file that cannot be written
        else:
            _say(f"grader: nothing could be judged: {of_the_machine(error)}")
        _discard_output()
        sys.exit(CannotJudge.exit_code)
    except Exception:
        _say(f"{traceback.format_exc()}grader: that is a fault of the grader's own; no verdict was reached")
        sys.exit(CannotJudge.exit_code)


def _open_what_is_closed() -> bool:
    """Have a program started without standard streams write nowhere; whether there is no standard output.

    Else what it opens next gets their numbers, and is written to in their place.
    """
    closed = sys.stdout is None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  for as long as the program runs
    return closed


def _only_prints(options: argparse.Namespace) -> bool:
    """Whether a command does nothing but print, and has done nothing where that is not possible."""
    return bool(options.only_prints) and getattr(options, "output", "-") == "-"


def _refuse_where_nothing_runs() -> None:
    from grader.preconditions import why_not_here  # now: where there are no more descriptors, nothing can be imported

    if reason := why_not_here():
        _say(f"grader: {reason}")
        sys.exit(CannotJudge.exit_code)


def _discard_output() -> None:
    """Its reader is gone: leave nothing to flush at exit, where that would fail once more."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    from grader.files.printable import printable

    with contextlib.suppress(OSError):  # there is nowhere left to report this
        sys.stderr.write(f"{printable(message)}\n")
        sys.stderr.flush()


class _Parser(argparse.ArgumentParser):
    """Says what may have been meant, and shows no argument as it is: a shell's ``*`` makes some of any file's name."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Refuse what is not known here, where it is known which command it was given to."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            from grader.errors import did_you_mean

            known = [name for action in self._actions for name in action.option_strings]
            near = did_you_mean(unknown[0].partition("=")[0], known) if unknown[0].startswith("-") else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{near}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            from grader.errors import did_you_mean

            near = did_you_mean(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{near}") from None

    def error(self, message: str) -> NoReturn:
        from grader.files.printable import one_line

        super().error(one_line(message))


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top: argparse.ArgumentParser = _Parser(
        prog="grader",
        description="Grade bug-hunting exercises on GPT-style transformers, bit by bit.",
        epilog="Exit codes: 0 full marks on every item asked for, 1 graded and something falls short, "
        "2 usage error, 3 the grader could not judge, 130 interrupted, 141 the reader of the output has gone.",
    )
    top.add_argument("--version", action="version", version=f"grader {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    # In the order of --help.
    for command in (
        grade,
        report,
        compare,
        adapt,
        inject,
        verify,
        mutations,
        start,
        watch,
        hint,
        history,
        mcp,
        review,
        cohort,
        batch,
        recheck,
        sheets,
        export,
        doctor,
    ):
        command.add(commands)
    _add_completion(commands)
    return top


def _add_completion(commands: "Commands") -> None:
    """``grader completion``: what a shell needs to complete commands, options and paths."""
    command = add_command(commands, "completion", "print the script that completes grader in a shell")
    command.add_argument("shell", choices=("bash", "zsh"), help="the shell")
    command.set_defaults(run=lambda arguments: _complete(arguments.shell))


def _complete(shell: str) -> int:
    """Print it; always 0."""
    from grader.preconditions import install

    try:
        import shtab
    except ModuleNotFoundError as error:
        raise UsageError(f"grader completion needs shtab ({error}); {install('completion')}") from None
    every = parser()
    for action in _actions(every):
        if action.type is Path or action.metavar in ("FILE", "DIR"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks
    sys.stdout.write(shtab.complete(every, shell=shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments of a parser and of its commands."""
    for action in parser._actions:  # argparse has no other way to them; shtab takes the same
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
