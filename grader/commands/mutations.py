"""``grader mutations``: the catalogue of bugs that can be planted, or one of them with its story."""

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
NARROWEST = 20  # columns: a sentence cut or wrapped to less than that says nothing


def run(operator_id: str | None, *, hints: bool, json: bool) -> int:
    """Print what is asked for; always 0."""
    width = shutil.get_terminal_size().columns  # 80 where there is no terminal
    if operator_id is None:
        if hints:
            raise UsageError("--hints without an OPERATOR; name the one whose hints are wanted")
        sys.stdout.write(_json([_entry(each) for each in OPERATORS]) if json else _table(width))
        return 0
    try:
        chosen = operator(operator_id)
    except UnknownOperatorError as error:
        raise UsageError(str(error)) from None
    sys.stdout.write(_json(_whole_entry(chosen, hints)) if json else "\n".join(_story(chosen, hints, width)) + "\n")
    return 0


def _table(width: int) -> str:
    """A line for each operator under its category, cut to the width."""
    indent = max(len(each.id) for each in OPERATORS) + 2 * len(GAP)
    room = max(NARROWEST, width - indent)
    paragraphs = []
    for category, entries in groupby(OPERATORS, key=lambda each: each.category):
        rows = (GAP + each.id.ljust(indent - len(GAP)) + _cut(each.title, room) + "\n" for each in entries)
        paragraphs.append(f"{category}\n{''.join(rows)}")
    return "\n".join(paragraphs)


def _cut(sentence: str, columns: int) -> str:
    return sentence if len(sentence) <= columns else sentence[: columns - 1].rstrip() + "…"


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
