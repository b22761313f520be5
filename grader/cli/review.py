"""``grader review``: what was wrong in an exercise, and what a good answer says; for when it is over."""

import sys
from pathlib import Path

from grader.cli.exercises import BUILT_IN, chosen_exercise
from grader.errors import UsageError
from grader.files.write import check_writable, write_atomically


def run(exercise: Path, *, result: Path | None, html: Path | None) -> int:
    """Print the review, or write it as a page; always 0."""
    _refuse_what_a_learner_has(exercise)
    if html is not None:
        check_writable(html)
    chosen = chosen_exercise(exercise)
    from grader.cli.results import read_result
    from grader.review.lessons import lessons

    told = lessons(chosen, read_result(result) if result is not None else None)
    if html is not None:
        from grader.review.review_page import render_review_page

        write_atomically(html, render_review_page(told).encode())
    else:
        from grader.review.review_text import render_review

        sys.stdout.write(render_review(told))
    return 0


def _refuse_what_a_learner_has(exercise: Path) -> None:
    """Complain of a workspace, whatever exercise it names: what it is reviewed from is the reference.

    Raises:
        UsageError: it is a directory that somebody works in.
    """
    if exercise == BUILT_IN or (exercise / "reference").is_dir():
        return
    if (exercise / "model.py").exists():
        raise UsageError(
            f"{str(exercise)!r} is somebody's code, and a review shows the solution; expected the exercise itself: "
            "a directory with reference/ and starter/, or built-in"
        )
