"""Functions taken out of a text, their bodies or they themselves, and classes; and imports of what is gone."""

from collections.abc import Collection
from difflib import get_close_matches

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.errors import UnknownDefinitionError
from mutations.source import Source


def empty(source: Source, name: str) -> Edit:
    """The function raises NotImplementedError; its decorators, signature and docstring stay, comments inside go.

    Args:
        name: qualified, as in `GPT.forward`.
    """
    function = cst.ensure_type(_definition(source, name, "function", m.FunctionDef()), cst.FunctionDef)
    stub = f'raise NotImplementedError("{name} is yours to build")'
    if isinstance(function.body, cst.SimpleStatementSuite):
        return source.replace(function.body, stub)
    first, *rest = function.body.body
    body_start, end = source.span(function.body)
    indent = source.code_between(source.line_start(body_start), body_start)
    end = source.block_end(source.span(function)[0], end)
    if not _is_docstring(first):
        start = source.body_start(body_start, floor=source.span(function)[0])
    else:
        docstring_end = source.line_end(source.span(first)[1])
        start = source.body_start(source.span(rest[0])[0], floor=docstring_end) if rest else docstring_end
    return source.replace_span(start, end, f"{indent}{stub}\n")


def remove(source: Source, name: str) -> Edit:
    """The function, method or class is gone, with its decorators and the comments right above it."""
    return source.remove(_definition(source, name, "function or class", m.FunctionDef() | m.ClassDef()))


def import_without(source: Source, statement: cst.ImportFrom, names: Collection[str]) -> Edit | None:
    """``from module import a, b`` without some of the names, on one line; None where it has none of them."""
    aliases = () if isinstance(statement.names, cst.ImportStar) else statement.names
    kept = [alias for alias in aliases if alias.evaluated_name not in names]
    if len(kept) == len(aliases):
        return None
    if not kept:
        return source.remove(source.parent(statement))
    first, _ = source.span(aliases[0])
    _, last = source.span(aliases[-1])
    return source.replace_span(first, last, ", ".join(source.code(alias).rstrip(", \n") for alias in kept))


def _definition(source: Source, name: str, kind: str, matcher: m.BaseMatcherNode) -> cst.CSTNode:
    """The one definition of that kind and qualified name."""
    definitions = source.find(matcher)
    names = [_qualified_name(source, definition) for definition in definitions]
    found = names.count(name)
    if found == 0:
        near = get_close_matches(name, names, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"expected one of {sorted(set(names))!r}"
        raise UnknownDefinitionError(f"name={name!r} is not a {kind} of {source.file}; {advice}")
    if found > 1:
        raise UnknownDefinitionError(f"name={name!r} has {found} definitions in {source.file}, expected 1")
    return definitions[names.index(name)]


def _qualified_name(source: Source, node: cst.CSTNode) -> str:
    parts: list[str] = []
    while not isinstance(node, cst.Module):
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            parts.insert(0, node.name.value)
        node = source.parent(node)
    return ".".join(parts)


def _is_docstring(statement: cst.CSTNode) -> bool:
    return m.matches(statement, m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())]))
