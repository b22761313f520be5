"""Incremental decoding: what a cache keeps of the tokens read so far, and who hands it on."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

CAT = m.Attribute(attr=m.Name("cat") | m.Name("concat"))
PAIR = m.Tuple(elements=[m.Element(), m.Element()]) | m.List(elements=[m.Element(), m.Element()])


class Join(NamedTuple):
    """A line that puts what is new after what was kept: `k = torch.cat((past.k, k), dim=2)`.

    A cache that is an object keeps it itself: `self.keys[i] = torch.cat((self.keys[i], k), dim=2)`.
    """

    line: cst.SimpleStatementLine
    call: cst.Call
    past: cst.BaseExpression
    new: cst.Name
    is_state: bool


class Count(NamedTuple):
    """A line that counts all tokens, those in the cache and the new ones: `T = T_past + T_new`."""

    total: cst.BaseExpression
    past: cst.BaseExpression
    new: cst.BaseExpression


class Handover(NamedTuple):
    """A call that is given a cache and returns the next one under the same name: `logits, cache = f(tokens, cache)`."""

    result: cst.Name
    call: cst.Call
    cache: cst.BaseExpression


def joins(source: Source) -> Iterator[tuple[Join, Join]]:
    """The two lines, one below the other, that join the cached keys and values to the new ones."""
    found = [join for node in source.find(m.SimpleStatementLine(body=[m.Assign()])) if (join := _join(node))]
    for keys, values in pairwise(found):
        siblings = list(source.siblings(keys.line))
        if siblings[-1] is not keys.line and siblings[siblings.index(keys.line) + 1] is values.line:
            yield keys, values


def past_of(join: Join) -> cst.Name | None:
    """What holds the keys and values of one layer: `past` of `past.k` or `past[0]`."""
    if join.is_state:
        return None
    if isinstance(join.past, cst.Attribute | cst.Subscript) and isinstance(join.past.value, cst.Name):
        return join.past.value
    return None


def counts(source: Source) -> Iterator[Count]:
    """Sums that are given a name, of which one part is a length that is zero where there is no cache."""
    addition = m.BinaryOperation(left=m.Name(), operator=m.Add(), right=m.Name())
    for node in source.find(m.Assign(targets=[m.AssignTarget(m.Name())], value=addition)):
        assignment = cst.ensure_type(node, cst.Assign)
        total = cst.ensure_type(assignment.value, cst.BinaryOperation)
        for past, new in ((total.left, total.right), (total.right, total.left)):
            if _may_be_zero(source, past) and not _may_be_zero(source, new):
                yield Count(assignment.targets[0].target, past, new)


def handovers(source: Source) -> Iterator[Handover]:
    """Calls that are given a cache and return the next one, with what was computed before it."""
    target = m.AssignTarget(m.Tuple(elements=[m.Element(m.Name()), m.Element()]))
    for node in source.find(m.Assign(targets=[target], value=m.Call())):
        assignment = cst.ensure_type(node, cst.Assign)
        call = cst.ensure_type(assignment.value, cst.Call)
        result, cache = (element.value for element in cst.ensure_type(assignment.targets[0].target, cst.Tuple).elements)
        passed = [arg.value for arg in call.args]
        if any(value.deep_equals(cache) for value in passed) and not any(value.deep_equals(result) for value in passed):
            yield Handover(cst.ensure_type(result, cst.Name), call, cache)


def is_optional(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether an expression is read off a parameter that may be left out, as a cache may; local names are looked up."""
    function = source.scope(expression)
    if not isinstance(function, cst.FunctionDef):
        return False
    optional = [
        parameter.name.value
        for parameter in (*function.params.params, *function.params.kwonly_params)
        if parameter.default is not None and m.matches(parameter.default, m.Name("None"))
    ]
    names = source.find(m.Name(), within=origin(source, expression))
    return any(cst.ensure_type(name, cst.Name).value in optional for name in names)


def _join(node: cst.CSTNode) -> Join | None:
    line = cst.ensure_type(node, cst.SimpleStatementLine)
    assignment = cst.ensure_type(line.body[0], cst.Assign)
    target, call = assignment.targets[0].target, assignment.value
    if len(assignment.targets) > 1 or not isinstance(call, cst.Call):
        return None
    if not m.matches(call.func, CAT) or not call.args or not m.matches(call.args[0].value, PAIR):
        return None
    pair = call.args[0].value
    assert isinstance(pair, cst.Tuple | cst.List)
    past, new = (element.value for element in pair.elements)
    if not isinstance(past, cst.Name | cst.Attribute | cst.Subscript) or not isinstance(new, cst.Name):
        return None
    is_local = new.deep_equals(target) and not past.deep_equals(target)
    is_state = past.deep_equals(target) and not isinstance(target, cst.Name)
    return Join(line, call, past, new, is_state) if is_local or is_state else None


def _may_be_zero(source: Source, name: cst.BaseExpression) -> bool:
    """Whether a name is zero to begin with, or in one of two cases."""
    zero = m.Integer("0")
    values = zero | m.IfExp(body=zero) | m.IfExp(orelse=zero)
    target = m.AssignTarget(m.Name(cst.ensure_type(name, cst.Name).value))
    return bool(source.find(m.Assign(targets=[target], value=values), within=source.scope(name)))


def origin(source: Source, expression: cst.BaseExpression) -> cst.BaseExpression:
    """The value that a local name is unpacked from or assigned; any other expression is its own origin."""
    if not isinstance(expression, cst.Name):
        return expression
    target = m.Name(expression.value)
    unpacked = m.Tuple(elements=[m.ZeroOrMore(), m.Element(target), m.ZeroOrMore()])
    found = source.find(m.Assign(targets=[m.AssignTarget(target | unpacked)]), within=source.scope(expression))
    return cst.ensure_type(found[-1], cst.Assign).value if found else expression
