"""Code that runs in some cases only, and what decides it."""

from collections.abc import Sequence

import libcst as cst
from libcst import matchers as m

from mutations.roles.sizes import resolve
from mutations.source import Source

LEAVES = m.SimpleStatementLine(body=[m.ZeroOrMore(), m.Return() | m.Raise() | m.Continue()])


def is_guarded(source: Source, node: cst.CSTNode, words: Sequence[str]) -> bool:
    """Whether a condition that speaks of one of the words decides if a node is reached.

    The node stands in a branch of the condition, or below a branch that leaves the function.
    """
    while not isinstance(node, cst.FunctionDef | cst.Module):
        parent = source.parent(node)
        match parent:
            case cst.If() | cst.IfExp():
                if node is not parent.test and _speaks_of(source, parent.test, words):
                    return True
            case cst.BooleanOperation():
                if node is parent.right and _speaks_of(source, parent.left, words):
                    return True
            case cst.IndentedBlock():
                start, _ = source.span(node)
                above = [statement for statement in parent.body if source.span(statement)[0] < start]
                if any(_leaves(source, statement, words) for statement in above):
                    return True
        node = parent
    return False


def _leaves(source: Source, statement: cst.CSTNode, words: Sequence[str]) -> bool:
    if not isinstance(statement, cst.If) or not _speaks_of(source, statement.test, words):
        return False
    body = statement.body.body
    return m.matches(body[-1], LEAVES | m.Return() | m.Raise() | m.Continue())


def _speaks_of(source: Source, test: cst.BaseExpression, words: Sequence[str]) -> bool:
    names = [cst.ensure_type(node, cst.Name) for node in source.find(m.Name(), within=test)]
    text = " ".join([source.code(test), *(source.code(resolve(source, name)) for name in names)]).lower()
    return any(word in text for word in words)
