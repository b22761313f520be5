"""Bugs that come with a refactoring: several lines are rewritten as people rewrite them, and one thing is lost.

Each is a bug of the catalogue, planted in lines that are rewritten as well. The same rewriting without the bug, its
honest twin, computes what was there before, bit by bit. Beside code that one knows, a comparison shows many lines that
differ, of which one is wrong.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit, Rewritten, splice
from mutations.operator import Distance, Example, Operator
from mutations.refactoring import (
    Statement,
    blocks_around,
    function_named,
    functions,
    in_steps,
    run,
    run_between,
    with_helper,
    with_other_names,
)
from mutations.source import Source

SIZES: Final = (4, 3, 5, 2)  # statements that move into a helper, the most natural number first
MOST_STEPS: Final = 3  # that get names of their own
LEAST_LINES: Final = 3  # that a rewriting takes away or adds: with fewer, the bug is all that there is to see


class How(StrEnum):
    """What happens to the lines around a bug."""

    HELPER = "moved into a function of their own"
    STEPS = "spelt out step by step, with names"


class ByProduct(NamedTuple):
    """One bug that comes with a rewriting.

    Attributes:
        base: the operator that plants the bug alone.
        title: the first sentence of its story.
        helper, docstring: of a function that lines move into; the docstring is true of it with and without the bug, and
            stands there where the function that the lines come from has one.
    """

    id: str
    base: Operator
    how: How
    title: str
    example: Example
    helper: str = ""
    docstring: str = ""

    def operator(self) -> Operator:
        """The operator of its own that plants it; all that is not about the rewriting is its base's."""
        base = self.base

        def edits(source: Source) -> Iterator[Edit]:
            found = (rewritten(source, edit, self) for edit in base.edits(source))
            yield from (edit for edit in found if edit is not None)

        return Operator(
            id=self.id,
            category=base.category,
            file=base.file,
            origin=base.origin,
            story=self._story(),
            visibility=base.visibility,
            distance=max(base.distance, Distance.FUNCTION, key=list(Distance).index),
            needs=base.needs,
            hints=base.hints._replace(
                mechanism=f"{base.hints.mechanism} It went wrong when the lines around it were {self.how}."
            ),
            examples=(self.example,),
            look_alikes=base.look_alikes,
            edits=edits,
        )

    def _story(self) -> str:
        """The base's, with what is rewritten, and what a comparison shows of it."""
        does, wrong, symptom, found = re.split(r"^## .+\n", self.base.story, flags=re.MULTILINE)[1:]
        return (
            f"{self.title}\n\n## What it does\nSome lines are {self.how}, and in one of them a bug is left. "
            f"The rewriting\nalone computes the same, bit by bit. The bug is that of `{self.base.id}`:\n{does}"
            f"## Why it is wrong\n{wrong}## Symptom\n{symptom}## How to find it\n{found.rstrip()}\n\n"
            "A comparison with code that one knows shows every line of the rewriting. Read what each line does,\n"
            "and ask of each line of the old code which new one does the same.\n"
        )


def rewritten(source: Source, edit: Edit, wanted: ByProduct) -> Rewritten | None:
    """The bug of an edit, in lines that are rewritten too; None where they cannot be rewritten safely.

    The text with the bug and the text without are rewritten apart: what a helper no longer needs, it is not handed.
    """
    found = _around(source, edit)
    if found is None or (wanted.helper and re.search(rf"\b_?{wanted.helper}\(", source.module.code)):
        return None
    name, start, end = found
    head = "" if source.code_between(start, start + 1).strip() else "class _:\n"  # a method needs something around it
    before = head + source.code_between(start, end)
    shift = start - len(head)
    bug = Edit(edit.file, edit.start - shift, edit.end - shift, edit.before, edit.after)
    piece, wrong = Source(source.file, before), Source(source.file, splice(before, [bug]))
    if wanted.how is How.STEPS:
        return _edit(source, shift, before, _in_steps(piece, name), _in_steps(wrong, name))
    docstring = wanted.docstring if _is_documented(source) else ""
    grown = len(bug.after.encode()) - len(bug.before.encode())
    for low, high in _windows(piece, name, bug):
        honest = _in_helper(piece, name, low, high, wanted, docstring)
        after = _in_helper(wrong, name, low, high + grown, wanted, docstring)
        made = _edit(source, shift, before, honest, after)
        if made is not None:
            return made
    return None


def _around(source: Source, edit: Edit) -> tuple[str, int, int] | None:
    """The function that an edit is in: its name in a piece of its own, and its lines."""
    for name, function in functions(source):
        start, end = source.span(function)
        end = source.block_end(start, end)
        if start <= edit.start and edit.end <= end:
            return "_." * ("." in name) + function.name.value, source.line_start(start), end
    return None


def _windows(piece: Source, name: str, bug: Edit) -> Iterator[tuple[int, int]]:
    """The lines that may move into a helper, the most natural ones first."""
    function = function_named(piece, name)
    if function is None:
        return
    for steps, begins, ends in blocks_around(piece, function, bug.start, bug.end):
        first = int(_is_docstring(steps[0]))
        for size in (size for size in SIZES if ends - begins < size < len(steps) - first):
            for start in range(max(first, ends - size + 1), min(begins, len(steps) - size) + 1):
                lines = run(piece, steps[start : start + size])
                yield min(lines.start, bug.start), max(lines.end, bug.end)


def _in_helper(source: Source, name: str, start: int, end: int, wanted: ByProduct, docstring: str) -> str | None:
    function = function_named(source, name)
    lines = run_between(source, function, start, end) if function is not None else None
    return with_helper(source, function, lines, wanted.helper, docstring) if function and lines else None


def _in_steps(source: Source, name: str) -> str | None:
    text: str | None = None
    for rewrite in (*[in_steps] * MOST_STEPS, with_other_names):
        function = function_named(source, name)
        further = rewrite(source, function) if function is not None else None
        if further is not None:
            text, source = further, Source(source.file, further)
    return text


def _edit(source: Source, start: int, before: str, honest: str | None, after: str | None) -> Rewritten | None:
    """The lines that differ, as one edit of the whole text; None where nothing, or next to nothing, is rewritten."""
    if honest is None or after is None or honest == after:
        return None
    texts = [text.splitlines(keepends=True) for text in (before, honest, after)]
    head = _alike(texts)
    tail = _alike([text[head:][::-1] for text in texts])
    old, twin, new = (text[head : len(text) - tail] for text in texts)
    if len(set(old) ^ set(twin)) < LEAST_LINES:
        return None
    at = start + len("".join(texts[0][:head]).encode())
    edit = source.replace_span(at, at + len("".join(old).encode()), "".join(new))
    return Rewritten(edit.file, edit.start, edit.end, edit.before, edit.after, "".join(twin))


def _alike(texts: Sequence[Sequence[str]]) -> int:
    """How many lines all of the texts begin with."""
    return next(
        (number for number, lines in enumerate(zip(*texts, strict=False)) if len(set(lines)) > 1),
        min(map(len, texts)),
    )


def _is_documented(source: Source) -> bool:
    """Whether most functions of a file say what they do."""
    bodies = [function.body for _, function in functions(source)]
    said = [isinstance(body, cst.IndentedBlock) and _is_docstring(body.body[0]) for body in bodies]
    return 2 * sum(said) > len(said)


def _is_docstring(statement: Statement) -> bool:
    """Whether a statement is a text that stands by itself."""
    return m.matches(statement, m.SimpleStatementLine(body=[m.Expr(m.SimpleString())]))
