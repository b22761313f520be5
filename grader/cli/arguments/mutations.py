"""What ``grader mutations`` takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.arguments.shared import add_command, add_isolation, default_isolation, seed
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.cli.arguments.shared import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "mutations",
        "the catalogue of bugs that can be planted, or one with its story",
        judges=False,
        only_prints=True,
    )
    command.add_argument("operator", metavar="OPERATOR", nargs="?", help="tell this one's whole story")
    command.add_argument("--hints", action="store_true", help="with OPERATOR: the hints for a learner too")
    command.add_argument(
        "--json",
        action="store_true",
        help="print it as JSON, for programs: the catalogue, the OPERATOR, or with --matrix who sees which bug",
    )
    command.add_argument(
        "--matrix", action="store_true", help="plant each in a correct GPT, and say which checks see it"
    )
    command.add_argument("--first", action="store_true", help="with --matrix: stop at the first check that sees a bug")
    command.add_argument("--html", metavar="FILE", type=Path, help="with --matrix: write it here as a table")
    command.add_argument("--from", dest="source", metavar="REFERENCE", type=Path, help="with --matrix: plant them here")
    command.add_argument("--seed", metavar="N", type=seed, help="with --matrix: ask with other cases (default 0)")
    add_isolation(command, "the processes that run the code", only="with --matrix: ")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.matrix:
        from grader.cli import matrix

        return matrix.run(
            options.operator,
            source=options.source,
            html=options.html,
            json=options.json,
            seed=options.seed or 0,
            first=options.first,
            isolation=options.isolation or default_isolation(),
        )
    _refuse_without_matrix(options)
    from grader.cli import mutations

    return mutations.run(options.operator, hints=options.hints, json=options.json)


def _refuse_without_matrix(options: argparse.Namespace) -> None:
    given = {
        "--first": options.first,
        "--html": options.html is not None,
        "--from": options.source is not None,
        "--seed": options.seed is not None,
        "--isolation": options.isolation is not None,
    }
    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"{name} without --matrix says nothing of the catalogue; add --matrix, or leave it out")
