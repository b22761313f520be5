"""Several changes of one text that plant one bug together."""

from collections.abc import Sequence
from dataclasses import replace

from mutations.edit import Edit, splice
from mutations.source import Source


def joined(source: Source, edits: Sequence[Edit], around: Sequence[tuple[int, int]] = ()) -> Edit:
    """One edit from the first change to the last, or of all these bytes around them, with the rest as it was."""
    spans = [*around, *((edit.start, edit.end) for edit in edits)]
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    moved = [replace(edit, start=edit.start - start, end=edit.end - start) for edit in edits]
    return source.replace_span(start, end, splice(source.code_between(start, end), moved))
