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
from collections.abc import Sequence
from typing import NoReturn

from grader import __version__
from grader.arguments import cohort, doctor, export, grade, hint, inject, mutations, report, start, verify, watch
from grader.errors import CannotJudge, GraderError
from grader.interruption import listen

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code; see ``grader --help``."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a character that the terminal does not have must cost no verdict
    options = parser().parse_args(arguments)
    listen()
    try:
        code = options.run(options)
        sys.stdout.flush()
        sys.exit(code)
    except GraderError as error:
        _say(f"grader: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _say("\ngrader: interrupted; nothing was written")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        sys.exit(INTERRUPTED)
    except (OSError, MemoryError, ImportError) as error:
        # A full disk, no more descriptors or memory, half an installation: the machine's, wherever it strikes.
        _say(f"grader: nothing could be judged: {error or 'out of memory'}")
        _discard_output()
        sys.exit(CannotJudge.exit_code)
    except Exception:
        _say(f"{traceback.format_exc()}grader: that is a fault of the grader's own; no verdict was reached")
        sys.exit(CannotJudge.exit_code)


def _discard_output() -> None:
    """Nobody can read it any more: have nothing to flush at exit, where that would fail once more."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    from grader.printable import printable

    with contextlib.suppress(OSError):  # nobody can be told that nobody can be told
        sys.stderr.write(f"{printable(message)}\n")
        sys.stderr.flush()


class _Parser(argparse.ArgumentParser):
    """Some of its complaints show an argument as it is, and a shell's ``*`` makes arguments of any file's name."""

    def error(self, message: str) -> NoReturn:
        from grader.printable import one_line

        super().error(one_line(message))


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top: argparse.ArgumentParser = _Parser(
        prog="grader",
        description="Grade bug-hunting exercises on GPT-style transformers, bit by bit.",
        epilog="Exit codes: 0 full marks on every item asked for, 1 graded and something falls short, "
        "2 usage error, 3 the grader could not judge.",
    )
    top.add_argument("--version", action="version", version=f"grader {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    # In the order of --help.
    for command in (grade, report, inject, verify, mutations, start, watch, hint, cohort, export, doctor):
        command.add(commands)
    return top
