"""``grader compare``: results of one exercise side by side, in the terminal and as a page."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli.options import add_audience, add_command
from grader.errors import UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.result.series import Named

EXPECTED: Final = "expected two or more files that `grader grade --json` wrote, or one directory of them"


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "compare",
        "results of one exercise side by side: points, first divergence, and what changed in the files",
        judges=False,
        only_prints=True,
    )
    command.add_argument(
        "results",
        metavar="RESULT",
        nargs="+",
        type=Path,
        help="two or more files that `grader grade --json` wrote, the older first, or one directory of them",
    )
    command.add_argument("--html", metavar="FILE", type=Path, help="write it here as a page, too")
    add_audience(command)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them side by side; 1 if an item has fewer points in the last than in the first, else 0."""
    from grader.files.write import check_writable, write_atomically
    from grader.report.side_by_side import render_series, render_series_page
    from grader.report.terminal import paint_for
    from grader.result.audience import for_audience
    from grader.result.record import Audience
    from grader.result.series import Named, series

    results: list[Path] = arguments.results
    html: Path | None = arguments.html
    if html is not None:
        check_writable(html)
    named = _in_directory(results[0]) if len(results) == 1 else [_named(path) for path in results]
    seen = [Named(each.name, for_audience(each.result, Audience(arguments.audience))) for each in named]
    try:
        found = series(seen)
    except ValueError as error:
        raise UsageError(str(error)) from None
    sys.stdout.write(render_series(found, paint_for(sys.stdout)))
    if html is not None:
        write_atomically(html, render_series_page(found).encode())
        sys.stdout.write(f"Written: {one_line(str(html))}\n")
    return 1 if found.worse else 0


def _named(path: Path) -> "Named":
    from grader.cli.outputs import read_result
    from grader.result.series import Named

    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a directory; {EXPECTED}")
    return Named(one_line(str(path)), read_result(path))


def _in_directory(directory: Path) -> "list[Named]":
    """The results in a directory, in the order of when they were graded, or of their names where one does not say it.

    Of its other JSON files a note is left.
    """
    from grader.cli.outputs import read_result
    from grader.result.series import Named

    if not directory.is_dir():
        raise UsageError(f"one result alone: {str(directory)!r}; {EXPECTED}")
    found = []
    for path in sorted(directory.glob("*.json"), key=lambda path: _natural(path.name)):
        try:
            found.append(Named(path.name, read_result(path)))
        except UsageError as error:
            sys.stderr.write(f"grader: left out: {one_line(str(error))}\n")
    if len(found) < 2:
        few = f"{len(found)} result" if found else "no results"
        raise UsageError(f"{few} in {str(directory)!r}; {EXPECTED}")
    if all(each.result.graded_at is not None for each in found):
        found.sort(key=lambda each: each.result.graded_at or "")
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    """A name to sort by, with 2 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
