"""Gated blocks: two maps read the same input, and one of them, bent, says how much of the other is let through."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

MAP = m.Call(func=m.Attribute(value=m.Name("self")), args=[m.Arg(m.Name(), keyword=None, star="")])
ACTIVATION = m.Name(m.MatchRegex(r"(silu|swish|gelu|relu|sigmoid|act(_fn|ivation)?)(_fn)?"))
BENT = m.Call(
    func=m.Attribute(attr=ACTIVATION) | ACTIVATION,
    args=[m.Arg(MAP, keyword=None, star=""), m.ZeroOrMore(m.Arg(keyword=m.Name()))],
)


class Gate(NamedTuple):
    """`silu(self.gate(x)) * self.value(x)`.

    Attributes:
        product: the whole.
        activation: the call that bends the gate.
        gate, value: the calls of the two maps.
        is_first: whether the gate is the left factor.
    """

    product: cst.BinaryOperation
    activation: cst.Call
    gate: cst.Call
    value: cst.Call
    is_first: bool


def gates(source: Source) -> Iterator[Gate]:
    """Products of one map of a name and of another map of the same name, of which one is bent."""
    for node in source.find(m.BinaryOperation(operator=m.Multiply())):
        product = cst.ensure_type(node, cst.BinaryOperation)
        for bent, plain in ((product.left, product.right), (product.right, product.left)):
            if not (isinstance(bent, cst.Call) and m.matches(bent, BENT)):
                continue
            if not (isinstance(plain, cst.Call) and m.matches(plain, MAP)):
                continue
            gate = cst.ensure_type(bent.args[0].value, cst.Call)
            reads_the_same = plain.args[0].value.deep_equals(gate.args[0].value)
            if reads_the_same and not m.matches(plain, BENT) and not plain.func.deep_equals(gate.func):
                yield Gate(product, bent, gate, plain, bent is product.left)
