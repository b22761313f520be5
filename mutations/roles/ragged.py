"""Rows that differ in length: how many tokens each has been read, and where its next one stands."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

ALL = m.SubscriptElement(m.Slice(lower=None, upper=None, step=None))
NEW_AXIS = m.SubscriptElement(m.Index(m.Name("None")))
LAST = m.Integer("1") | m.UnaryOperation(m.Minus(), m.Integer("1"))
COLUMN = m.Subscript(value=m.Name(), slice=[ALL, NEW_AXIS]) | m.Call(
    func=m.Attribute(value=m.Name(), attr=m.Name("unsqueeze")), args=[m.Arg(LAST)]
)
ARANGE = m.Call(func=m.Attribute(attr=m.Name("arange")))


class Rows(NamedTuple):
    """A function that gets, or counts, how many tokens each row has.

    Attributes:
        total: the name in `total = past + new`: one number a row, as the other two.
        past: the one of the two from which positions are counted.
        positions: `past[:, None] + arange(n)`, where the new tokens of each row stand.
        start: `past[:, None]` in it.
    """

    scope: cst.CSTNode
    total: cst.Name
    past: cst.Name
    new: cst.Name
    positions: cst.BinaryOperation
    start: cst.BaseExpression


def rows(source: Source) -> Iterator[Rows]:
    """Functions that add up the lengths of rows, and count positions from where each row's past ends."""
    addition = m.BinaryOperation(left=m.Name(), operator=m.Add(), right=m.Name())
    for node in source.find(m.Assign(targets=[m.AssignTarget(m.Name())], value=addition)):
        assignment = cst.ensure_type(node, cst.Assign)
        total = cst.ensure_type(assignment.targets[0].target, cst.Name)
        value = cst.ensure_type(assignment.value, cst.BinaryOperation)
        names = (cst.ensure_type(value.left, cst.Name), cst.ensure_type(value.right, cst.Name))
        scope = source.scope(node)
        for past, new in (names, names[::-1]):
            for positions, start in _positions(source, scope):
                if row_lengths(start).deep_equals(past):
                    yield Rows(scope, total, past, new, positions, start)


def row_lengths(column: cst.CSTNode) -> cst.Name:
    """`past` of `past[:, None]` and of `past.unsqueeze(1)`."""
    if isinstance(column, cst.Call):
        return cst.ensure_type(cst.ensure_type(column.func, cst.Attribute).value, cst.Name)
    return cst.ensure_type(cst.ensure_type(column, cst.Subscript).value, cst.Name)


def handed_on(source: Source, found: Rows) -> Iterator[cst.BaseExpression]:
    """Where the sum of the lengths is returned, as a part of what is."""
    for returned in source.find(m.Return(), within=found.scope):
        name = m.Name(found.total.value)
        for node in source.find(m.Arg(name, star="") | m.Element(name), within=returned):
            assert isinstance(node, cst.Arg | cst.Element)
            yield node.value


def _positions(source: Source, scope: cst.CSTNode) -> Iterator[tuple[cst.BinaryOperation, cst.BaseExpression]]:
    for node in source.find(m.BinaryOperation(operator=m.Add()), within=scope):
        addition = cst.ensure_type(node, cst.BinaryOperation)
        for start, count in ((addition.left, addition.right), (addition.right, addition.left)):
            if m.matches(start, COLUMN) and m.matches(count, ARANGE):
                yield addition, start
