"""Position schemes: angles that grow with positions, distances between positions, and slopes of a bias."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.sizes import resolve
from mutations.source import Source

ARANGE = m.Call(func=m.Attribute(attr=m.Name("arange")))
NEW_AXIS = m.Subscript(
    slice=[m.ZeroOrMore(), m.SubscriptElement(m.Index(m.Name("None"))), m.ZeroOrMore()],
)


class Distance(NamedTuple):
    """`query_positions[:, None] - key_positions`: how far back each key is from each query."""

    node: cst.BinaryOperation
    queries: cst.BaseExpression
    keys: cst.BaseExpression


def distances(source: Source) -> Iterator[Distance]:
    """Differences of positions, one of which is counted on an axis of its own."""
    for node in source.find(m.BinaryOperation(left=NEW_AXIS, operator=m.Subtract())):
        difference = cst.ensure_type(node, cst.BinaryOperation)
        if m.matches(resolve(source, _without_axes(difference.right)), ARANGE):
            yield Distance(difference, difference.left, difference.right)


def wave(source: Source, call: cst.BaseExpression, kind: str) -> cst.BaseExpression | None:
    """What a call takes the sine or the cosine of: `x.sin()`, `torch.sin(x)`, maybe converted afterwards."""
    while m.matches(call, m.Call(func=m.Attribute(attr=m.Name("to") | m.Name("type_as")))):
        call = cst.ensure_type(cst.ensure_type(call, cst.Call).func, cst.Attribute).value
    if not m.matches(call, m.Call(func=m.Attribute(attr=m.Name(kind)))):
        return None
    taken = cst.ensure_type(call, cst.Call)
    return taken.args[0].value if taken.args else cst.ensure_type(taken.func, cst.Attribute).value


def speaks_of_slopes(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether an expression is a slope of ALiBi, which everybody calls so."""
    while isinstance(expression, cst.Subscript):
        expression = expression.value
    return "slope" in f"{source.code(expression)} {source.code(resolve(source, expression))}".lower()


def _without_axes(expression: cst.BaseExpression) -> cst.BaseExpression:
    return expression.value if isinstance(expression, cst.Subscript) else expression
