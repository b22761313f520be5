"""What ``grader inject`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command, add_isolation, seed

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "inject", "plant bugs in a correct GPT: a new exercise, proven sound")
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        required=True,
        help="the directory to make, with starter/ and reference/ in it",
    )
    command.add_argument(
        "--from",
        dest="source",
        metavar="REFERENCE",
        type=Path,
        help="a directory with a correct GPT: model.py and train.py that keep the contract, or a model.py of any kind "
        "with an adapter.py that says how it is called (default: the built-in one)",
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--bugs", metavar="K", type=int, choices=range(1, 7), default=4, help="how many, 1 to 6 (default 4)"
    )
    which.add_argument(
        "--bug", metavar="OPERATOR", nargs="+", action="extend", default=[], help="these ones; see `grader mutations`"
    )
    command.add_argument(
        "--difficulty",
        choices=("easy", "medium", "hard"),
        help="plant only bugs that are this hard to find: how few checks see them, how little they change, how far "
        "from the line they show (default: any)",
    )
    command.add_argument(
        "--seed",
        metavar="N",
        type=seed,
        default=0,
        help="which bugs are drawn, and where they go: the same seed builds the same exercise (default 0)",
    )
    command.add_argument(
        "--keep-extensions",
        action="store_true",
        help="leave cache, classifier and heads built, and plant bugs in them too",
    )
    command.add_argument(
        "--force",
        action="store_true",
        help="if DIR holds an exercise, replace it; anything else that is there is never touched",
    )
    add_isolation(command, "the processes that run the code")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from grader.cli import inject
    from grader.injection.recipe import Recipe

    recipe = Recipe(
        seed=options.seed,
        bugs=options.bugs,
        operators=tuple(options.bug),
        difficulty=options.difficulty,
        keep_extensions=options.keep_extensions,
    )
    return inject.run(options.output, recipe, source=options.source, force=options.force, isolation=options.isolation)
