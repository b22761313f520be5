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
from pathlib import Path
from typing import NoReturn

from grader import __version__
from grader.errors import CannotJudge, GraderError, UsageError
from grader.interruption import listen

INTERRUPTED = 130

# In the order of --help: each is an option of `grade`, and a --format of `report`.
FORMATS = {
    "html": "the report",
    "json": "the result as data",
    "markdown": "a summary for the page of a GitHub workflow",
    "junit": "JUnit XML, as Jenkins and GitLab read it",
    "gradescope": "results.json of a Gradescope autograder",
    "classroom": "what a GitHub Classroom grader hands to its reporter",
    "check50": "the JSON of check50",
}


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
    _add_grade(commands)
    _add_report(commands)
    _add_inject(commands)
    _add_verify(commands)
    _add_mutations(commands)
    _add_start(commands)
    _add_watch(commands)
    _add_hint(commands)
    _add_doctor(commands)
    return top


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")


def _add_grade(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "grade", "grade a directory that holds model.py and train.py")
    command.add_argument(
        "directory", metavar="DIR", type=Path, help="the submission: a directory with model.py and train.py"
    )
    _add_exercise(command)
    for name, what in FORMATS.items():
        command.add_argument(f"--{name}", metavar="FILE", help=f"write {what}; - for standard output")
    _add_audience(command)
    command.add_argument(
        "--only", metavar="ITEM", nargs="+", action="extend", default=[], help="grade these items only"
    )
    command.add_argument(
        "--seed", metavar="N", type=_seed, help="repeat a grade; without it the seed is drawn in secret"
    )
    command.add_argument("--thorough", action="store_true", help="try eight times as many cases")
    _add_running(command)
    command.add_argument(
        "--check",
        metavar="RESULT.json",
        type=Path,
        help="grade again as this result was, and say item by item whether its verdict holds (exit code 0) or not (1)",
    )
    command.set_defaults(run=_grade)


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "report", "render a result again, without running anything")
    command.add_argument("result", metavar="RESULT.json", type=Path)
    command.add_argument("-o", "--output", metavar="FILE", required=True, help="write it here; - for standard output")
    command.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="html",
        help="as which the result is written (default html); see the options of grade",
    )
    _add_audience(command)
    command.set_defaults(run=_report)


def _add_inject(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "inject", "plant bugs in a correct GPT: a new exercise, proven sound")
    command.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    command.add_argument(
        "--from",
        dest="source",
        metavar="REFERENCE",
        type=Path,
        help="a directory with a correct model.py and train.py that keep the contract (default: the built-in one)",
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--bugs", metavar="K", type=int, choices=range(1, 7), default=4, help="how many, 1 to 6 (default 4)"
    )
    which.add_argument(
        "--bug", metavar="OPERATOR", nargs="+", action="extend", default=[], help="these ones; see `grader mutations`"
    )
    command.add_argument("--difficulty", choices=("easy", "medium", "hard"), help="of each bug")
    command.add_argument("--seed", metavar="N", type=_seed, default=0, help="another seed, other bugs (default 0)")
    command.add_argument(
        "--keep-extensions",
        action="store_true",
        help="leave cache, classifier and heads built, and plant bugs in them too",
    )
    command.add_argument("--force", action="store_true", help="replace an exercise that is there")
    command.set_defaults(run=_inject)


def _add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "verify", "prove an exercise sound: solvable, and credited bug by bug")
    command.add_argument("exercise", metavar="EXERCISE", type=Path, help="its directory")
    command.set_defaults(run=_verify)


def _add_mutations(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "mutations", "the catalogue of bugs that can be planted, or one with its story")
    command.add_argument("operator", metavar="OPERATOR", nargs="?", help="tell this one's whole story")
    command.add_argument("--hints", action="store_true", help="with OPERATOR: the hints for a learner too")
    command.add_argument("--json", action="store_true", help="the same as JSON")
    command.add_argument(
        "--matrix", action="store_true", help="plant each in a correct GPT, and say which checks see it"
    )
    command.add_argument("--first", action="store_true", help="with --matrix: stop at the first check that sees a bug")
    command.add_argument("--html", metavar="FILE", type=Path, help="with --matrix: write it here as a table")
    command.add_argument("--from", dest="source", metavar="REFERENCE", type=Path, help="with --matrix: plant them here")
    command.add_argument("--seed", metavar="N", type=_seed, default=0, help="with --matrix: other cases (default 0)")
    command.set_defaults(run=_mutations)


def _add_start(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "start", "make a workspace: the code with the bugs, for someone to mend")
    command.add_argument("directory", metavar="DIR", type=Path, help="a new directory, or an empty one")
    _add_exercise(command)
    command.set_defaults(run=_start)


def _add_watch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "watch", "grade again whenever a file is saved, and say what changed")
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    _add_exercise(command)
    command.add_argument("--html", metavar="FILE", type=Path, help="write the learner's report here each time")
    _add_running(command)
    command.set_defaults(run=_watch)


def _add_hint(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "hint", "the next of three hints for an item; never the solution")
    command.add_argument("directory", metavar="DIR", type=Path, help="the workspace")
    command.add_argument("item", metavar="ITEM", help="an item of the grade, as `grader grade --only` names it")
    _add_exercise(command)
    command.set_defaults(run=_hint)


def _add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "doctor", "say what this machine can isolate and reproduce")
    command.set_defaults(run=_doctor)


def _add_exercise(command: argparse.ArgumentParser) -> None:
    command.add_argument("--exercise", metavar="DIR", type=Path, help="an exercise other than the built-in one")


def _add_running(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--isolation",
        choices=("strict", "process"),
        default="strict" if sys.platform == "linux" else "process",
        help="strict locks the candidate's process, or refuses to run it (default on Linux); process does not",
    )
    command.add_argument(
        "--timeout", metavar="S", type=_positive, help="seconds for one question (default 10; with --check as then)"
    )


def _add_audience(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--audience",
        choices=("instructor", "learner"),
        default="instructor",
        help="a learner's view holds nothing of the hidden reference",
    )


def _seed(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 53:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2**53 - 1")
    return value


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0 and up to 3600")
    return value


def _grade(options: argparse.Namespace) -> int:
    from grader.commands import grade

    return grade.run(
        options.directory,
        exercise=options.exercise,
        files={name: file for name in FORMATS if (file := getattr(options, name)) is not None},
        audience=options.audience,
        only=tuple(options.only),
        seed=options.seed,
        thorough=options.thorough,
        isolation=options.isolation,
        timeout=options.timeout,
        check=options.check,
    )


def _report(options: argparse.Namespace) -> int:
    from grader.commands import report

    return report.run(options.result, options.output, options.format, options.audience)


def _inject(options: argparse.Namespace) -> int:
    from grader.commands import inject
    from grader.inject.recipe import Recipe

    recipe = Recipe(
        seed=options.seed,
        bugs=options.bugs,
        operators=tuple(options.bug),
        difficulty=options.difficulty,
        keep_extensions=options.keep_extensions,
    )
    return inject.run(options.output, recipe, source=options.source, force=options.force)


def _verify(options: argparse.Namespace) -> int:
    from grader.commands import verify

    return verify.run(options.exercise)


def _mutations(options: argparse.Namespace) -> int:
    if options.matrix:
        from grader.commands import matrix

        return matrix.run(
            options.operator,
            source=options.source,
            html=options.html,
            json=options.json,
            seed=options.seed,
            first=options.first,
        )
    for name, value in (("--first", options.first), ("--html", options.html), ("--from", options.source)):
        if value:
            raise UsageError(f"{name} without --matrix; what it says is about the matrix")
    from grader.commands import mutations

    return mutations.run(options.operator, hints=options.hints, json=options.json)


def _start(options: argparse.Namespace) -> int:
    from grader.commands import start

    return start.run(options.directory, exercise=options.exercise)


def _watch(options: argparse.Namespace) -> int:
    from grader.commands import watch

    return watch.run(
        options.directory,
        exercise=options.exercise,
        html=options.html,
        isolation=options.isolation,
        timeout=options.timeout,
    )


def _hint(options: argparse.Namespace) -> int:
    from grader.commands import hint

    return hint.run(options.directory, options.item, exercise=options.exercise)


def _doctor(_: argparse.Namespace) -> int:
    from grader.commands import doctor

    return doctor.run()
