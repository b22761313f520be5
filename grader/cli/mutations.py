"""``grader mutations``: the catalogue of bugs that can be planted, or one of them with its story."""

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.cli.options import add_command, add_isolation, seed_of
from grader.errors import UsageError
from grader.files.printable import one_line
from grader.limits import DEFAULT_ISOLATION

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from mutations.operator import Operator


GAP = "  "
WITH_A_REFACTORING = "with a refactoring"
ROOM = 60  # columns: what a sentence is given beside its name, or it goes below
NARROWEST = 20  # columns: a sentence wrapped to less than that says nothing


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
    command.add_argument("--seed", metavar="N", type=seed_of, help="with --matrix: ask with other cases (default 0)")
    add_isolation(command, "the processes that run the code", only="with --matrix: ")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is asked for; 1 when a matrix has a bug that no check sees, else 0."""
    if arguments.matrix:
        return _run_matrix(arguments)
    _refuse_without_matrix(arguments)
    from mutations.catalogue import EVERY, operator
    from mutations.errors import UnknownOperatorError

    if arguments.operator is None:
        if arguments.hints:
            raise UsageError("--hints without an OPERATOR; name the one whose hints are wanted")
        whole = [_entry(each) for each in EVERY]
        sys.stdout.write(_json(whole) if arguments.json else _table(_width_of_table()))
        return 0
    try:
        chosen = operator(arguments.operator)
    except UnknownOperatorError as error:
        raise UsageError(str(error)) from None
    width = shutil.get_terminal_size().columns  # 80 where there is no terminal
    if arguments.json:
        sys.stdout.write(_json(_whole_entry(chosen, arguments.hints)))
    else:
        sys.stdout.write("\n".join(_story(chosen, arguments.hints, width)) + "\n")
    return 0


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


def _width_of_table() -> int | None:
    """That of the terminal; None where there is none and no width is set."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else None


def _table(width: int | None) -> str:
    """Each operator with its sentence, under its category.

    Args:
        width: None for a line each, however long: for another program.
    """
    from mutations.by_products import BY_PRODUCTS
    from mutations.catalogue import EVERY, OPERATORS

    longest = max(len(each.id) for each in EVERY)
    paragraphs = []
    for category, entries in groupby(OPERATORS, key=lambda each: each.category):
        rows = (line + "\n" for each in entries for line in _row(each, width, longest))
        paragraphs.append(f"{category}\n{''.join(rows)}")
    rows = (line + "\n" for each in BY_PRODUCTS for line in _row(each, width, longest))
    paragraphs.append(f"{WITH_A_REFACTORING}\n{''.join(rows)}")
    return "\n".join(paragraphs)


def _row(entry: "Operator", width: int | None, longest: int) -> list[str]:
    """The sentence beside the name where there is room for it, else below."""
    name = GAP + entry.id.ljust(longest) + GAP
    if width is None:
        return [name + entry.title]
    if width - len(name) >= ROOM:
        return textwrap.wrap(name + entry.title, width, subsequent_indent=" " * len(name), break_on_hyphens=False)
    return [name.rstrip(), *(3 * GAP + line for line in _wrap(entry.title, width - 3 * len(GAP)).splitlines())]


def _wrap(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, max(NARROWEST, width), subsequent_indent=indent, break_on_hyphens=False)


def _story(entry: "Operator", hints: bool, width: int) -> Iterator[str]:
    """Everything about an operator, its prose wrapped to the width; code is left as it is."""
    yield entry.id
    yield ""
    for paragraph in entry.story.strip().split("\n\n"):
        if paragraph.startswith("## "):
            heading, _, paragraph = paragraph.removeprefix("## ").partition("\n")
            yield heading
        yield _wrap(paragraph, width)
        yield ""
    facts = {
        "Category": entry.category,
        "File": entry.file,
        "Needs": ", ".join(sorted(entry.needs)) or "nothing",
        "Visibility": entry.visibility,
        "Origin": entry.origin,
    }
    yield from (f"{name:<12}{value}" for name, value in facts.items())
    yield "\nExample\n" + entry.diff().rstrip()
    if hints:
        yield "\nHints"
        yield from (_wrap(f"{number}. {hint}", width, "   ") for number, hint in enumerate(entry.hints, 1))


def _entry(entry: "Operator") -> dict[str, Any]:
    return {
        "id": entry.id,
        "category": entry.category,
        "file": entry.file,
        "needs": sorted(entry.needs),
        "visibility": entry.visibility,
        "origin": entry.origin,
        "title": entry.title,
    }


def _whole_entry(entry: "Operator", hints: bool) -> dict[str, Any]:
    whole = {**_entry(entry), "story": entry.story, "example": entry.examples[0]._asdict()}
    return {**whole, "hints": entry.hints._asdict()} if hints else whole


def _json(value: Any) -> str:
    return dumps(value, indent=2, ensure_ascii=False) + "\n"


def _run_matrix(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when every bug is seen, else 1."""
    from grader.files.write import check_writable, write_atomically
    from grader.injection.recipe import read_reference
    from grader.preconditions import naming_the_way_out
    from grader.report.terminal import Progress
    from grader.sandbox.client import Launcher

    html: Path | None = arguments.html
    if html is not None:
        check_writable(html)
    hidden, reference = read_reference(arguments.source)
    isolation = arguments.isolation or DEFAULT_ISOLATION
    with naming_the_way_out(), Launcher(isolation, hidden=[hidden]) as launcher:
        from grader.injection.matrix import as_html, as_text, kill_matrix, to_json
        from mutations.catalogue import OPERATORS, operator
        from mutations.errors import UnknownOperatorError

        try:
            operators = OPERATORS if arguments.operator is None else (operator(arguments.operator),)
        except UnknownOperatorError as error:
            raise UsageError(str(error)) from None
        with Progress() as progress:
            matrix = kill_matrix(
                reference, operators, launcher, progress, seed=arguments.seed or 0, first=arguments.first
            )
    if html is not None:
        write_atomically(html, as_html(matrix).encode())
    sys.stdout.write(to_json(matrix) if arguments.json else as_text(matrix))
    if html is not None and not arguments.json:
        sys.stdout.write(f"Written: {one_line(str(html))}\n")
    return 1 if matrix.survivors else 0
