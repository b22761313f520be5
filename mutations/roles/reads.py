"""Where a name is read: what goes must leave nothing behind that is never read."""

from collections.abc import Iterable, Iterator

import libcst as cst
from libcst import matchers as m

from mutations.source import Source


def leaves_nothing_unread(source: Source, removed: cst.CSTNode, kept: Iterable[cst.CSTNode] = ()) -> bool:
    """Whether all that a piece of code reads is still read once the piece is gone, but for the parts that are kept.

    Names of the builtins do not count, and neither do layers: a layer that is never called still has its weights in
    every checkpoint.
    """
    kept_reads = {source.code(read) for node in kept for read in _reads(source, node)}
    for read in _reads(source, removed):
        if source.code(read) not in kept_reads and not _read_elsewhere(source, read, removed):
            return False
    return True


def reads(source: Source, name: cst.BaseExpression, within: cst.CSTNode) -> list[cst.CSTNode]:
    """Where a name or an attribute is read in a region, in the order of the text."""
    return [read for read in _reads(source, within) if read.deep_equals(name)]


def _read_elsewhere(source: Source, read: cst.Name | cst.Attribute, removed: cst.CSTNode) -> bool:
    scope = source.scope(removed)
    local = isinstance(read, cst.Name) and isinstance(scope, cst.FunctionDef) and _binds(source, scope, read)
    if not local and not _binds(source, source.module, read):
        return True
    start, end = source.span(removed)
    return any(
        not start <= source.span(other)[0] < end for other in reads(source, read, scope if local else source.module)
    )


def _reads(source: Source, within: cst.CSTNode) -> Iterator[cst.Name | cst.Attribute]:
    """Names, and attributes of self, that are read and not written or called as a method."""
    for node in source.find(m.Name() | m.Attribute(value=m.Name("self")), within=within):
        parent = source.parent(node)
        if isinstance(node, cst.Attribute):
            if not isinstance(parent, cst.AssignTarget) and not (isinstance(parent, cst.Call) and parent.func is node):
                yield node
        elif isinstance(node, cst.Name) and node.value != "self" and not _is_label(source, node, parent):
            yield node


def _is_label(source: Source, node: cst.Name, parent: cst.CSTNode) -> bool:
    """Whether a name is no read: a target, a parameter, a keyword, an attribute's or an import's name."""
    match parent:
        case cst.Attribute():
            return parent.attr is node
        case cst.Arg():
            return parent.keyword is node
        case cst.Param():
            return parent.name is node
        case cst.Element():
            return _unpacks(source, parent)
        case cst.AnnAssign():
            return parent.target is node
        case cst.AssignTarget() | cst.ImportAlias() | cst.AsName() | cst.FunctionDef() | cst.ClassDef():
            return True
    return False


def _unpacks(source: Source, element: cst.Element) -> bool:
    """Whether an element is one of several targets: `B, T = ...`."""
    return isinstance(source.parent(source.parent(element)), cst.AssignTarget)


def _binds(source: Source, region: cst.CSTNode, name: cst.Name | cst.Attribute) -> bool:
    """Whether a region assigns to a name, takes it as a parameter or imports it."""
    for node in source.find(m.Name() | m.Attribute(), within=region):
        if not node.deep_equals(name):
            continue
        parent = source.parent(node)
        if isinstance(parent, cst.AssignTarget | cst.AnnAssign | cst.Param | cst.ImportAlias | cst.AsName):
            return True
        if isinstance(parent, cst.Element) and _unpacks(source, parent):
            return True
    return False
