"""``grader mutations``: the catalogue of bugs that can be planted, or one of them with its story."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from json import dumps
from typing import Any

from grader.errors import UsageError
from mutations.catalogue import OPERATORS, operator
from mutations.errors import UnknownOperatorError
from mutations.operator import Operator

GAP = "  "
LONGEST_ID = max(len(each.id) for each in OPERATORS)
ROOM = 60  # columns: what a sentence is given beside its name, or it goes below
NARROWEST = 20  # columns: a sentence wrapped to less than that says nothing


def run(operator_id: str | None, *, hints: bool, json: bool) -> int:
    """Print what is asked for; always 0."""
    if operator_id is None:
        if hints:
            raise UsageError("--hints without an OPERATOR; name the one whose hints are wanted")
        sys.stdout.write(_json([_entry(each) for each in OPERATORS]) if json else _table(_width_of_table()))
        return 0
    try:
        chosen = operator(operator_id)
    except UnknownOperatorError as error:
        raise UsageError(str(error)) from None
    width = shutil.get_terminal_size().columns  # 80 where there is no terminal
    sys.stdout.write(_json(_whole_entry(chosen, hints)) if json else "\n".join(_story(chosen, hints, width)) + "\n")
    return 0


def _width_of_table() -> int | None:
    """That of the terminal; None where there is none, and nobody asks for a width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else None


def _table(width: int | None) -> str:
    """Each operator with its sentence, under its category.

    Args:
        width: None for a line each, however long: for another program.
    """
    paragraphs = []
    for category, entries in groupby(OPERATORS, key=lambda each: each.category):
        rows = (line + "\n" for each in entries for line in _row(each, width))
        paragraphs.append(f"{category}\n{''.join(rows)}")
    return "\n".join(paragraphs)


def _row(entry: Operator, width: int | None) -> list[str]:
    """The sentence beside the name where there is room for it, else below."""
    name = GAP + entry.id.ljust(LONGEST_ID) + GAP
    if width is None:
        return [name + entry.title]
    if width - len(name) >= ROOM:
        return textwrap.wrap(name + entry.title, width, subsequent_indent=" " * len(name), break_on_hyphens=False)
    return [name.rstrip(), *(3 * GAP + line for line in _wrap(entry.title, width - 3 * len(GAP)).splitlines())]


def _wrap(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, max(NARROWEST, width), subsequent_indent=indent, break_on_hyphens=False)


def _story(entry: Operator, hints: bool, width: int) -> Iterator[str]:
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


def _entry(entry: Operator) -> dict[str, Any]:
    return {
        "id": entry.id,
        "category": entry.category,
        "file": entry.file,
        "needs": sorted(entry.needs),
        "visibility": entry.visibility,
        "origin": entry.origin,
        "title": entry.title,
    }


def _whole_entry(entry: Operator, hints: bool) -> dict[str, Any]:
    whole = {**_entry(entry), "story": entry.story, "example": entry.examples[0]._asdict()}
    return {**whole, "hints": entry.hints._asdict()} if hints else whole


def _json(value: Any) -> str:
    return dumps(value, indent=2, ensure_ascii=False) + "\n"
