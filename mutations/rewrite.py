"""The same program in other words: it computes the same, and whoever looks at its text finds another one."""

from collections.abc import Sequence

import libcst as cst

Body = Sequence[cst.BaseStatement] | Sequence[cst.BaseSmallStatement]


def otherwise(text: str, name: str) -> str:
    """The text without its comments and docstrings, with a local ``name`` that nobody reads in every function.

    Raises:
        libcst.ParserSyntaxError: it is no Python.
    """
    return cst.parse_module(text).visit(_Rewriting(name)).code


class _Rewriting(cst.CSTTransformer):
    def __init__(self, name: str) -> None:
        self._unread = cst.parse_statement(f"{name} = None")

    def leave_TrailingWhitespace(  # noqa: N802
        self, original_node: cst.TrailingWhitespace, updated_node: cst.TrailingWhitespace
    ) -> cst.TrailingWhitespace:
        return cst.TrailingWhitespace(newline=updated_node.newline)

    def leave_EmptyLine(self, original_node: cst.EmptyLine, updated_node: cst.EmptyLine) -> cst.EmptyLine:  # noqa: N802
        return cst.EmptyLine(indent=False, newline=updated_node.newline)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:  # noqa: N802
        return updated_node.with_changes(body=_without_docstring(updated_node.body))

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:  # noqa: N802
        return updated_node.with_changes(body=_filled(_statements(updated_node.body)))

    def leave_FunctionDef(  # noqa: N802
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        return updated_node.with_changes(body=_filled([self._unread, *_statements(updated_node.body)]))


def _statements(suite: cst.BaseSuite) -> list[cst.BaseStatement]:
    """The statements of a block, or of what stands behind a colon, without a docstring."""
    if isinstance(suite, cst.IndentedBlock):
        return _without_docstring(suite.body)
    assert isinstance(suite, cst.SimpleStatementSuite)
    return _without_docstring([cst.SimpleStatementLine(body=suite.body)])


def _without_docstring(body: Sequence[cst.BaseStatement]) -> list[cst.BaseStatement]:
    if body and _is_string(body[0]):
        return list(body[1:])
    return list(body)


def _is_string(statement: cst.BaseStatement) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return False
    expression = statement.body[0]
    return isinstance(expression, cst.Expr) and isinstance(expression.value, cst.SimpleString | cst.ConcatenatedString)


def _filled(body: Sequence[cst.BaseStatement]) -> cst.IndentedBlock:
    return cst.IndentedBlock(body=body or [cst.parse_statement("pass")])
