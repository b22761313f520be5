"""A source text with its syntax tree: nodes are found in the tree, and edited in the text.

The text is never printed back from the tree, so whatever an edit does not cover keeps its comments and its layout.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m
from libcst.metadata import ByteSpanPositionProvider, CodeSpan, MetadataWrapper, ParentNodeProvider

from mutations.edit import Edit
from mutations.errors import SiteError

Scope = cst.FunctionDef | cst.Module


class Source:
    """One file to be mutated.

    Attributes:
        beside: the other files of its package, where `together` has read them.
    """

    def __init__(self, file: str, text: str) -> None:
        tree = _parsed(text)
        self.file = file
        self.beside: tuple[Source, ...] = ()
        self.module = tree.module
        self._bytes = text.encode()
        self._spans = tree.spans
        self._parents = tree.parents
        self._index = tree.nodes

    def find(self, matcher: m.BaseMatcherNode, within: cst.CSTNode | None = None) -> Sequence[cst.CSTNode]:
        """Every node that matches, in the order of the text."""
        candidates = self._index.of_kinds(_kinds(matcher), within or self.module)
        return sorted((node for node in candidates if m.matches(node, matcher)), key=self.span)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        """The node around a node; the module has none."""
        return self._parents[node]

    def scope(self, node: cst.CSTNode) -> Scope:
        """The innermost function around a node, or the module."""
        while not isinstance(node, Scope):
            node = self.parent(node)
        return node

    def siblings(self, statement: cst.CSTNode) -> Sequence[cst.CSTNode]:
        """The statements of the block around a statement, itself among them."""
        block = self.parent(statement)
        return block.body if isinstance(block, cst.IndentedBlock | cst.Module) else [statement]

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """The bytes of a node, decorators included, without the whitespace, parentheses and comments around it."""
        span = self._spans[node]
        start, end = span.start, span.start + span.length
        if isinstance(node, cst.FunctionDef | cst.ClassDef) and node.decorators:
            start = self._spans[node.decorators[0]].start
        return start, end

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node as it stands in the file."""
        return self.code_between(*self.span(node))

    def code_between(self, start: int, end: int) -> str:
        """The text of bytes [start, end)."""
        return self._bytes[start:end].decode()

    def replace(self, node: cst.CSTNode, after: str) -> Edit:
        """Put other text in the place of a node."""
        return self.replace_span(*self.span(node), after)

    def replace_within(self, node: cst.CSTNode, part: cst.CSTNode, after: str) -> Edit:
        """Replace a part, in an edit that shows the whole node."""
        (start, end), (part_start, part_end) = self.span(node), self.span(part)
        return self.replace(node, self.code_between(start, part_start) + after + self.code_between(part_end, end))

    def replace_span(self, start: int, end: int, after: str) -> Edit:
        """Put other text in the place of bytes [start, end)."""
        return Edit(self.file, start, end, self.code_between(start, end), after)

    def remove(self, statement: cst.CSTNode) -> Edit:
        """Delete a statement that has lines of its own, and the comments that belong to it, without a trace.

        Blank lines beside it go too where they would be left doubled, or dangling at either end of a block.
        """
        if len(self.siblings(statement)) == 1:
            raise SiteError(f"{self.code(statement)!r} is all that its block holds; empty the block instead")
        start, end = self.span(statement)
        start, end = self.line_start(start), self.block_end(start, end)
        indent = self._indent(start)
        while start and self._is_comment(above := self.line_start(start - 1)) and self._indent(above) == indent:
            start = above
        below = self._line(end)
        if not below.strip() or self._indent(end) < indent:
            while start and not self._line(above := self.line_start(start - 1)).strip():
                start = above
        if start and self._indent(self.line_start(start - 1)) < indent:
            while end < len(self._bytes) and not self._line(end).strip():
                end = self.line_end(end)
        return self.replace_span(start, end, "")

    def line_start(self, position: int) -> int:
        """Where the line that holds a position begins."""
        return self._bytes.rfind(b"\n", 0, position) + 1

    def line_end(self, position: int) -> int:
        """Where the line that holds a position ends, its newline included."""
        newline = self._bytes.find(b"\n", position)
        return len(self._bytes) if newline < 0 else newline + 1

    def block_end(self, start: int, end: int) -> int:
        """Where the lines of a statement end, with the comments that trail inside its block."""
        indent = self._indent(self.line_start(start))
        end = position = self.line_end(end)
        while position < len(self._bytes):
            if self._line(position).strip():
                if not self._is_comment(position) or self._indent(position) <= indent:
                    break
                end = self.line_end(position)
            position = self.line_end(position)
        return end

    def body_start(self, position: int, floor: int) -> int:
        """Where the blank and comment lines right above a position begin, but not before `floor`."""
        start = self.line_start(position)
        while start > floor:
            above = self.line_start(start - 1)
            if above < floor or (self._line(above).strip() and not self._is_comment(above)):
                break
            start = above
        return start

    def _line(self, start: int) -> bytes:
        return self._bytes[start : self.line_end(start)]

    def _indent(self, start: int) -> int:
        line = self._line(start)
        return len(line) - len(line.lstrip())

    def _is_comment(self, start: int) -> bool:
        return self._line(start).lstrip().startswith(b"#")


def together(files: Mapping[str, str]) -> dict[str, Source]:
    """The files of a package, text by name: what one of them leaves open another may define."""
    sources = {file: Source(file, text) for file, text in files.items()}
    for source in sources.values():
        source.beside = tuple(other for other in sources.values() if other is not source)
    return sources


class _Tree(NamedTuple):
    """The syntax tree of a text, and what is known of its nodes. Nothing changes it."""

    module: cst.Module
    spans: Mapping[cst.CSTNode, CodeSpan]
    parents: Mapping[cst.CSTNode, cst.CSTNode]
    nodes: "_Index"


@lru_cache(maxsize=16)  # the files of a reference or two: looking for gaps and for each kind of bug reads them anew
def _parsed(text: str) -> _Tree:
    wrapper = MetadataWrapper(cst.parse_module(text))
    spans, parents = wrapper.resolve(ByteSpanPositionProvider), wrapper.resolve(ParentNodeProvider)
    return _Tree(wrapper.module, spans, parents, _Index(wrapper.module))


class _Index:
    """The nodes of a tree by their class, so that looking for one kind does not visit all the others.

    A catalogue of operators looks through the same tree a thousand times.
    """

    def __init__(self, root: cst.CSTNode) -> None:
        self._nodes: list[cst.CSTNode] = []  # a node, then everything in it
        self._last: dict[cst.CSTNode, int] = {}  # where a node's part of that list ends
        self._first: dict[cst.CSTNode, int] = {}
        self._by_kind: dict[str, list[int]] = {}
        self._add(root)

    def of_kinds(self, kinds: frozenset[str] | None, within: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes of these classes, of any without kinds, in a part of the tree."""
        first, last = self._first[within], self._last[within]
        if kinds is None:
            yield from self._nodes[first:last]
            return
        for kind in kinds:
            numbers = self._by_kind.get(kind, [])
            for number in numbers[bisect_left(numbers, first) : bisect_left(numbers, last)]:
                yield self._nodes[number]

    def _add(self, node: cst.CSTNode) -> None:
        number = self._first[node] = len(self._nodes)
        self._nodes.append(node)
        self._by_kind.setdefault(type(node).__name__, []).append(number)
        for child in node.children:
            self._add(child)
        self._last[node] = len(self._nodes)


def _kinds(matcher: m.BaseMatcherNode) -> frozenset[str] | None:
    """The classes of node that a matcher can match; None when it does not say."""
    if isinstance(matcher, m.OneOf):
        kinds = [_kinds(option) for option in matcher.options]
        return None if None in kinds else frozenset().union(*(kind for kind in kinds if kind is not None))
    name = type(matcher).__name__
    return frozenset({name}) if hasattr(cst, name) else None
