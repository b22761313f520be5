"""Gated blocks: two maps read the same input, and one of them, bent, says how much of the other is let through."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.sizes import resolve
from mutations.source import Source

MAP = m.Call(func=m.Attribute(value=m.Name("self")), args=[m.Arg(m.Name(), keyword=None, star="")])
ACTIVATION = m.Name(m.MatchRegex(r"(silu|swish|gelu|relu|sigmoid|act(_fn|ivation)?)(_fn)?"))
HALVED = m.Call(func=m.Attribute(value=MAP, attr=m.Name("chunk")), args=[m.Arg(m.Integer("2")), m.ZeroOrMore()])
BENT = m.Call(
    func=m.Attribute(attr=ACTIVATION) | ACTIVATION,
    args=[m.Arg(MAP | m.Name(), keyword=None, star=""), m.ZeroOrMore(m.Arg(keyword=m.Name()))],
)


class Gate(NamedTuple):
    """`silu(self.gate(x)) * self.value(x)`, or the same by names that hold what the maps gave.

    Attributes:
        product: the whole.
        activation: the call that bends the gate.
        gate, value: the calls of the two maps, or the names of their results.
        is_first: whether the gate is the left factor.
    """

    product: cst.BinaryOperation
    activation: cst.Call
    gate: cst.BaseExpression
    value: cst.BaseExpression
    is_first: bool


def gates(source: Source) -> Iterator[Gate]:
    """Products of one map of a name and of another map of the same name, of which one is bent."""
    for node in source.find(m.BinaryOperation(operator=m.Multiply())):
        product = cst.ensure_type(node, cst.BinaryOperation)
        for bent, plain in ((product.left, product.right), (product.right, product.left)):
            if not (isinstance(bent, cst.Call) and m.matches(bent, BENT)) or m.matches(plain, m.Call(func=BENT.func)):
                continue
            gate = bent.args[0].value
            is_alike = isinstance(gate, cst.Name) == isinstance(plain, cst.Name)
            if is_alike and not plain.deep_equals(gate) and _reads_the_same(source, gate, plain):
                yield Gate(product, bent, gate, plain, bent is product.left)


def exchangeable(part: cst.BaseExpression) -> cst.BaseExpression:
    """What of a gate or a value changes places with the other: the map that is called, or the name of its result."""
    return part.func if isinstance(part, cst.Call) else part


def _reads_the_same(source: Source, gate: cst.BaseExpression, value: cst.BaseExpression) -> bool:
    """Whether two values are maps of the same name by different layers, or the halves of one map."""
    first, second = resolve(source, gate), resolve(source, value)
    if m.matches(first, MAP) and m.matches(second, MAP):
        one, other = cst.ensure_type(first, cst.Call), cst.ensure_type(second, cst.Call)
        return one.args[0].value.deep_equals(other.args[0].value) and not one.func.deep_equals(other.func)
    return any(
        all(name.deep_equals(part) for name, part in zip((gate, value), halves, strict=True))
        or all(name.deep_equals(part) for name, part in zip((value, gate), halves, strict=True))
        for halves in _halves(source, gate)
    )


def _halves(source: Source, within: cst.CSTNode) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    """The two names of each map of a function that is cut in two: `gate, value = self.both(x).chunk(2, dim=-1)`."""
    pair = m.Tuple(elements=[m.Element(m.Name()), m.Element(m.Name())])
    for node in source.find(m.Assign(targets=[m.AssignTarget(pair)], value=HALVED), within=source.scope(within)):
        names = cst.ensure_type(cst.ensure_type(node, cst.Assign).targets[0].target, cst.Tuple).elements
        yield names[0].value, names[1].value
