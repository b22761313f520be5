"""Positions: where they are counted, looked up in their table, and added to the tokens."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.calls import argument
from mutations.roles.layers import calls, position_embeddings
from mutations.roles.schemes import NEW_AXIS
from mutations.roles.sizes import resolve
from mutations.source import Source

ZERO = m.Integer(value="0")
SHAPING = m.Call(
    func=m.Attribute(attr=m.OneOf(*map(m.Name, ("unsqueeze", "expand", "expand_as", "repeat", "view", "reshape"))))
)


class Count(NamedTuple):
    """`arange(stop)` or `arange(start, stop)` whose numbers reach a table of positions.

    Attributes:
        is_shaped: whether they are given another shape on the way.
    """

    call: cst.Call
    start: cst.BaseExpression | None
    stop: cst.BaseExpression
    options: tuple[cst.Arg, ...]
    is_shaped: bool

    @property
    def from_zero(self) -> bool:
        """Whether the first position is 0."""
        return self.start is None or m.matches(self.start, ZERO)


class Addition(NamedTuple):
    """A lookup of positions, or a name that holds one, added to something: as a sum, by `+=`, or by `add_`."""

    node: cst.BinaryOperation | cst.AugAssign | cst.Call
    added: cst.BaseExpression


def lookups(source: Source) -> list[cst.Call]:
    """Calls of a table of positions."""
    return calls(source, {layer.name for layer in position_embeddings(source)})


def counts(source: Source) -> Iterator[Count]:
    """Where the positions that are looked up are counted, in the order of the text."""
    found: dict[cst.CSTNode, bool] = {}
    for lookup in lookups(source):
        around = source.parent(lookup)
        is_shaped_after = m.matches(source.parent(around), SHAPING) or m.matches(around, NEW_AXIS)
        for expression, is_shaped in _origins(source, lookup.args[0].value):
            for node in source.find(m.Call(func=m.Attribute(attr=m.Name("arange"))), within=expression):
                found[node] = is_shaped or is_shaped_after or found.get(node, False)
    for node in sorted(found, key=source.span):
        call = cst.ensure_type(node, cst.Call)
        numbers = [arg.value for arg in call.args if arg.keyword is None and not arg.star]
        options = tuple(arg for arg in call.args if arg.keyword is not None)
        if len(numbers) + len(options) == len(call.args) and 1 <= len(numbers) <= 2:
            yield Count(call, numbers[0] if len(numbers) == 2 else None, numbers[-1], options, found[node])


def additions(source: Source) -> Iterator[Addition]:
    """Where positions are added to tokens."""
    looked_up = lookups(source)
    sums = m.BinaryOperation(operator=m.Add())
    in_place = m.AugAssign(operator=m.AddAssign())
    method = m.Call(func=m.Attribute(attr=m.Name("add_") | m.Name("add")), args=[m.Arg()])
    for node in source.find(sums | in_place | method):
        if isinstance(node, cst.BinaryOperation):
            operands = [node.left, node.right]
        elif isinstance(node, cst.AugAssign):
            operands = [node.value]
        else:
            operands = [cst.ensure_type(node, cst.Call).args[0].value]
        for operand in operands:
            if any(resolve(source, operand) is lookup for lookup in looked_up):
                assert isinstance(node, cst.BinaryOperation | cst.AugAssign | cst.Call)
                yield Addition(node, operand)


def with_options(source: Source, count: Count, *numbers: str) -> str:
    """The arguments of a count with other numbers, and its options as they are."""
    return ", ".join([*numbers, *(source.code(option) for option in count.options)])


def _origins(source: Source, expression: cst.BaseExpression) -> Iterator[tuple[cst.BaseExpression, bool]]:
    """Where a value comes from, its assignment or the callers of its function, and whether it was shaped since."""
    plain, is_shaped = _unshaped(expression)
    is_shaped = is_shaped or _is_shaped_in_place(source, plain)
    value = resolve(source, plain)
    function = source.scope(expression)
    if value is not plain or not isinstance(plain, cst.Name) or not isinstance(function, cst.FunctionDef):
        origin, shaped_there = _unshaped(value)
        yield origin, is_shaped or shaped_there
        return
    names = [param.name.value for param in function.params.params if param.name.value != "self"]
    if plain.value not in names:
        return
    called = m.Name(function.name.value)
    for node in source.find(m.Call(func=called | m.Attribute(attr=called))):
        arg = argument(cst.ensure_type(node, cst.Call), names.index(plain.value), plain.value)
        if arg is not None:
            origin, shaped_there = _unshaped(resolve(source, arg.value))
            yield origin, is_shaped or shaped_there


def _unshaped(expression: cst.BaseExpression) -> tuple[cst.BaseExpression, bool]:
    """What an expression gives another shape, and whether it does."""
    is_shaped = False
    while m.matches(expression, SHAPING | NEW_AXIS):
        if isinstance(expression, cst.Subscript):
            expression = expression.value
        else:
            call = cst.ensure_type(expression, cst.Call)
            func = cst.ensure_type(call.func, cst.Attribute)
            expression = call.args[0].value if m.matches(func.value, m.Name("torch")) else func.value
        is_shaped = True
    return expression, is_shaped


def _is_shaped_in_place(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether a name is given another shape of itself somewhere: `pos = pos.unsqueeze(0)`."""
    if not isinstance(expression, cst.Name):
        return False
    shaped = m.Assign(targets=[m.AssignTarget(m.Name(expression.value))], value=SHAPING | NEW_AXIS)
    found = [cst.ensure_type(node, cst.Assign).value for node in source.find(shaped, within=source.scope(expression))]
    return any(_unshaped(value)[0].deep_equals(expression) for value in found)
