"""``grader review``: what was wrong in an exercise, and what a good answer says; for when it is over."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.cli.options import add_command
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.cli.options import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "review",
        "when it is over: what was wrong, how it is found, and what a good answer says; shows every solution",
        judges=False,
        only_prints=True,
    )
    command.add_argument(
        "exercise",
        metavar="EXERCISE",
        type=Path,
        help="the exercise itself, as `grader inject` makes it, or built-in; never a workspace",
    )
    command.add_argument(
        "--result", metavar="RESULT.json", type=Path, help="say beside each item how this one fared with it"
    )
    command.add_argument("--html", metavar="FILE", type=Path, help="write it here as a page, instead of printing it")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the review, or write it as a page; always 0."""
    from grader.cli.exercises import chosen_exercise
    from grader.cli.outputs import read_result
    from grader.files.write import check_writable, write_atomically
    from grader.review.lessons import lessons
    from grader.review.render import render_review, render_review_page

    html: Path | None = arguments.html
    _refuse_what_a_learner_has(arguments.exercise)
    if html is not None:
        check_writable(html)
    chosen = chosen_exercise(arguments.exercise)
    found = lessons(chosen, read_result(arguments.result) if arguments.result is not None else None)
    if html is not None:
        write_atomically(html, render_review_page(found).encode())
    else:
        sys.stdout.write(render_review(found))
    return 0


def _refuse_what_a_learner_has(exercise: Path) -> None:
    """Complain of a workspace, whatever exercise it names: what it is reviewed from is the reference.

    Raises:
        UsageError: it is a directory that somebody works in.
    """
    from grader.cli.exercises import BUILT_IN

    if exercise == BUILT_IN or (exercise / "reference").is_dir():
        return
    if (exercise / "model.py").exists():
        raise UsageError(
            f"{str(exercise)!r} is somebody's code, and a review shows the solution; expected the exercise itself: "
            "a directory with reference/ and starter/, or built-in"
        )
