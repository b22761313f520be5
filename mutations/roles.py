"""What a piece of a model is for, whatever its name: the questions that operators ask of a source."""

import libcst as cst
from libcst import matchers as m

from mutations.source import Source


def argument(call: cst.Call, position: int, keyword: str) -> cst.Arg | None:
    """The argument that a call passes for a parameter, by position or by keyword."""
    for index, arg in enumerate(call.args):
        if arg.star:
            return None
        if arg.keyword is None and index == position:
            return arg
        if arg.keyword is not None and arg.keyword.value == keyword:
            return arg
    return None


def is_vocabulary(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether an expression stands for the size of the vocabulary: the contract calls it `vocab_size`."""
    return "vocab" in source.code(_resolve(source, expression)).lower()


def position_tables(source: Source) -> set[str]:
    """Attributes that hold an nn.Embedding of something other than the vocabulary: in a GPT, of positions."""
    tables = set()
    for node in source.find(
        m.Assign(
            targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))],
            value=m.Call(func=m.Attribute(attr=m.Name("Embedding")) | m.Name("Embedding")),
        )
    ):
        assignment = cst.ensure_type(node, cst.Assign)
        rows = argument(cst.ensure_type(assignment.value, cst.Call), 0, "num_embeddings")
        if rows is not None and not is_vocabulary(source, rows.value):
            tables.add(cst.ensure_type(assignment.targets[0].target, cst.Attribute).attr.value)
    return tables


def _resolve(source: Source, expression: cst.BaseExpression) -> cst.BaseExpression:
    """What a local name was assigned, `C = ...` or `C, V = ..., ...`; any other expression is what it is."""
    if not isinstance(expression, cst.Name):
        return expression
    for node in source.find(m.Assign(targets=[m.AssignTarget()]), within=source.scope(expression)):
        assignment = cst.ensure_type(node, cst.Assign)
        target, value = assignment.targets[0].target, assignment.value
        if target.deep_equals(expression):
            return value
        if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
            for name, element in zip(target.elements, value.elements, strict=False):
                if name.value.deep_equals(expression):
                    return element.value
    return expression
