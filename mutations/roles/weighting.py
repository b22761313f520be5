"""How two losses are weighed: log variances that are learned, gradients that are compared, weights that warm up."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.layers import function_name
from mutations.roles.reads import reads
from mutations.roles.sizes import resolve
from mutations.source import Source

AUTOGRAD = m.Attribute(attr=m.Name("autograd")) | m.Name("autograd")
GRADIENT = m.Call(func=m.Attribute(value=AUTOGRAD, attr=m.Name("grad")))
NEGATED = m.UnaryOperation(operator=m.Minus(), expression=m.Name() | m.Attribute() | m.Subscript())
EXPONENTIAL = m.Call(func=m.Attribute(value=NEGATED, attr=m.Name("exp")), args=[]) | m.Call(
    func=m.Attribute(attr=m.Name("exp")) | m.Name("exp"), args=[m.Arg(NEGATED)]
)
BASE_RATES = ("lr", "base_lr", "max_lr", "learning_rate")


class Uncertain(NamedTuple):
    """`exp(-s) * losses + s / 2`: losses counted by a log variance s that is learned.

    Attributes:
        total: the sum.
        product: its term with the losses.
        negated: `-s`.
        losses: what is counted.
    """

    total: cst.BinaryOperation
    product: cst.BinaryOperation
    negated: cst.UnaryOperation
    losses: cst.BaseExpression


class Ratio(NamedTuple):
    """One norm over another, whatever keeps the other from being zero.

    Attributes:
        division: the whole.
        upper, lower: the norms.
    """

    division: cst.BinaryOperation
    upper: cst.BaseExpression
    lower: cst.BaseExpression


class Warmed(NamedTuple):
    """`weight * rate(step) / base_rate`: a weight that grows as the learning rate does."""

    division: cst.BinaryOperation
    rate: cst.Call


def uncertainties(source: Source) -> Iterator[Uncertain]:
    """Sums of losses that a log variance counts, and of that log variance."""
    for node in source.find(m.BinaryOperation(operator=m.Add())):
        total = cst.ensure_type(node, cst.BinaryOperation)
        for term, rest in ((total.left, total.right), (total.right, total.left)):
            if isinstance(term, cst.BinaryOperation) and isinstance(term.operator, cst.Multiply):
                for factor, losses in ((term.left, term.right), (term.right, term.left)):
                    negated = source.find(NEGATED, within=factor) if m.matches(factor, EXPONENTIAL) else ()
                    for each in negated:
                        sign = cst.ensure_type(each, cst.UnaryOperation)
                        if _reads_only(source, rest, sign.expression):
                            yield Uncertain(total, term, sign, losses)


def compared_gradients(source: Source) -> Iterator[cst.Call]:
    """Where a gradient is taken, in functions that take the gradients of several losses."""
    calls = [cst.ensure_type(node, cst.Call) for node in source.find(GRADIENT)]
    for call in calls:
        scope = source.scope(call)
        if isinstance(scope, cst.FunctionDef) and sum(source.scope(other) is scope for other in calls) > 1:
            yield call


def norm_ratios(source: Source) -> Iterator[Ratio]:
    """Divisions of one norm by another, where gradients of several losses are taken."""
    scopes = [source.scope(call) for call in compared_gradients(source)]
    for node in source.find(m.BinaryOperation(operator=m.Divide())):
        division = cst.ensure_type(node, cst.BinaryOperation)
        lower = _guarded(division.right)
        is_near = any(source.scope(division) is scope for scope in scopes)
        if is_near and _is_norm(source, division.left) and _is_norm(source, lower):
            yield Ratio(division, division.left, lower)


def warmed_weights(source: Source) -> Iterator[Warmed]:
    """Weights that follow the learning rate, as a share of the rate that was configured."""
    base = m.OneOf(*map(m.Name, BASE_RATES))
    for node in source.find(m.BinaryOperation(operator=m.Divide(), right=base | m.Attribute(attr=base))):
        division = cst.ensure_type(node, cst.BinaryOperation)
        for found in source.find(m.Call(), within=division.left):
            rate = cst.ensure_type(found, cst.Call)
            name = function_name(rate)
            is_rate = "lr" in name.split("_") or "rate" in name.split("_")
            if is_rate and rate.args and "weight" in source.code(_whole_product(source, division)).lower():
                yield Warmed(division, rate)


def _whole_product(source: Source, node: cst.BaseExpression) -> cst.BaseExpression:
    """The product that an expression is a factor of, as far out as it goes."""
    parent = source.parent(node)
    while isinstance(parent, cst.BinaryOperation) and isinstance(parent.operator, cst.Multiply | cst.Divide):
        node, parent = parent, source.parent(parent)
    return node


def _reads_only(source: Source, expression: cst.BaseExpression, read: cst.BaseExpression) -> bool:
    """Whether an expression is made of one value and numbers."""
    if isinstance(read, cst.Subscript):
        return source.code(read) in source.code(expression) and not source.find(m.Call(), within=expression)
    names = source.find(m.Name(), within=expression)
    inside = source.find(m.Name(), within=read)
    return len(names) == len(inside) and bool(reads(source, read, within=expression) or expression.deep_equals(read))


def _guarded(expression: cst.BaseExpression) -> cst.BaseExpression:
    """What is kept from being zero: `x` in `max(x, 1e-8)`, `x.clamp(min=...)` and `x + 1e-8`."""
    if isinstance(expression, cst.BinaryOperation) and isinstance(expression.operator, cst.Add):
        return expression.left
    if isinstance(expression, cst.Call):
        if function_name(expression) in ("max", "maximum") and expression.args:
            return expression.args[0].value
        if isinstance(expression.func, cst.Attribute) and expression.func.attr.value in ("clamp", "clamp_min"):
            return expression.func.value
    return expression


def _is_norm(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether an expression is a norm: called so, or computed as one."""
    if not isinstance(expression, cst.Name | cst.Call):
        return False
    return "norm" in (source.code(expression) + source.code(resolve(source, expression))).lower()
