"""Comments that say of a line what an edit makes untrue."""

import libcst as cst

from mutations.edit import Edit
from mutations.source import Source


def replace_uncommented(source: Source, node: cst.CSTNode, after: str) -> Edit:
    """Put other text in the place of a part of a line, and drop the comment that trails the line."""
    line = node
    while not isinstance(line, cst.SimpleStatementLine | cst.If):
        line = source.parent(line)
    trailing = line.trailing_whitespace if isinstance(line, cst.SimpleStatementLine) else _header(line)
    if trailing is None or trailing.comment is None:
        return source.replace(node, after)
    start, end = source.span(node)
    comment_start, comment_end = source.span(trailing.comment)
    return source.replace_span(start, comment_end, after + source.code_between(end, comment_start).rstrip())


def _header(branch: cst.If) -> cst.TrailingWhitespace | None:
    return branch.body.header if isinstance(branch.body, cst.IndentedBlock) else None
