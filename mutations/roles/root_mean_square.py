"""Norms that are written out: what is divided by the root of a mean of squares, with an epsilon under the root."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.sizes import resolve
from mutations.source import Source

MEAN = m.Call(func=m.Attribute(attr=m.Name("mean") | m.Name("var")))
EPSILON = m.MatchRegex(".*eps(ilon)?")
SQRT = m.Call(func=m.Attribute(attr=m.Name("sqrt")) | m.Name("sqrt"))
RSQRT = m.Call(func=m.Attribute(attr=m.Name("rsqrt")) | m.Name("rsqrt"))


class Root(NamedTuple):
    """`torch.rsqrt(mean + eps)`, `(mean + eps).sqrt()`: the root that a norm divides by, or its inverse.

    Attributes:
        call: the root.
        total: what it is taken of.
        mean, epsilon: the two terms of that.
        is_inverse: whether it is the inverse of a root, which is multiplied by.
    """

    call: cst.Call
    total: cst.BinaryOperation
    mean: cst.BaseExpression
    epsilon: cst.BaseExpression
    is_inverse: bool


def roots(source: Source) -> Iterator[Root]:
    """Roots of a mean and something small, in the order of the text."""
    for node in source.find(SQRT | RSQRT):
        call = cst.ensure_type(node, cst.Call)
        total = call.args[0].value if call.args else cst.ensure_type(call.func, cst.Attribute).value
        if not isinstance(total, cst.BinaryOperation) or not isinstance(total.operator, cst.Add):
            continue
        for mean, epsilon in ((total.left, total.right), (total.right, total.left)):
            if source.find(MEAN, within=resolve(source, mean)) and _is_small(source, epsilon):
                yield Root(call, total, mean, epsilon, m.matches(call, RSQRT))


def means(source: Source) -> Iterator[cst.Call]:
    """The means over the width that such norms take."""
    for root in roots(source):
        for node in source.find(MEAN, within=resolve(source, root.mean)):
            yield cst.ensure_type(node, cst.Call)


def epsilons(source: Source) -> Iterator[cst.Float]:
    """Where the epsilon of such a norm is written: under the root, as a default of its class, in a configuration."""
    for root in roots(source):
        if isinstance(root.epsilon, cst.Float):
            yield root.epsilon
    for node in source.find(m.ClassDef(name=m.Name(m.MatchRegex(".*Norm")))):
        if not _reads_its_epsilon(source, node):
            continue
        kept = m.Assign(targets=[m.AssignTarget(m.Attribute(m.Name("self"), m.Name(m.MatchRegex("eps(ilon)?"))))])
        for found in source.find(kept, within=node):
            value = cst.ensure_type(found, cst.Assign).value
            if isinstance(value, cst.Float):
                yield value
        if not _is_left_to_its_default(source, cst.ensure_type(node, cst.ClassDef).name.value):
            continue
        for found in source.find(m.Param(name=m.Name(m.MatchRegex("eps(ilon)?")), default=m.Float()), within=node):
            yield cst.ensure_type(cst.ensure_type(found, cst.Param).default, cst.Float)
    for node in source.find(m.AnnAssign(target=m.Name(m.MatchRegex(".*norm_eps(ilon)?")), value=m.Float())):
        yield cst.ensure_type(cst.ensure_type(node, cst.AnnAssign).value, cst.Float)


def _reads_its_epsilon(source: Source, norm: cst.CSTNode) -> bool:
    """Whether a norm that is shown whole adds its epsilon to something, or hands it on."""
    if not source.find(m.FunctionDef(name=m.Name("forward")), within=norm):
        return True
    read = m.Name(EPSILON) | m.Attribute(attr=m.Name(EPSILON))
    for node in source.find(read, within=norm):
        around = source.parent(node)
        if isinstance(around, cst.BinaryOperation) or (isinstance(around, cst.Arg) and around.value is node):
            return True
    return False


def _is_small(source: Source, expression: cst.BaseExpression) -> bool:
    return isinstance(expression, cst.Float) or "eps" in source.code(expression).lower()


def _is_left_to_its_default(source: Source, name: str) -> bool:
    """Whether a norm is made somewhere with a width alone; a class that another file makes may be."""
    made = [cst.ensure_type(node, cst.Call) for node in source.find(m.Call(func=m.Name(name)))]
    return not made or any(len(call.args) == 1 for call in made)
