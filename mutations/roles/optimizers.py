"""Which parameters an optimizer is given in which group, and who sets its learning rate."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

ZERO = m.Float("0.0") | m.Integer("0")
QUOTED_LR = m.SimpleString("'lr'") | m.SimpleString('"lr"')

# What else follows a schedule with a warm-up, and ends a run.
OTHER_SCHEDULES = re.compile("momentum|beta|cool|down|weight_decay|dropout|temperature|batch", re.IGNORECASE)


class Group(NamedTuple):
    """One group of parameters, and what they are decayed by."""

    display: cst.Dict
    params: cst.BaseExpression
    decay_key: cst.BaseExpression
    decay: cst.BaseExpression

    @property
    def decays(self) -> bool:
        """Whether the weight decay is anything but a plain zero."""
        return not m.matches(self.decay, ZERO)


class Schedule(NamedTuple):
    """A loop over an optimizer's groups that sets the learning rate of each."""

    loop: cst.For
    groups: cst.Attribute
    key: cst.CSTNode
    rate: cst.BaseExpression


def decay_groups(source: Source) -> Iterator[tuple[Group, Group]]:
    """Lists of two groups of which one is decayed and the other is not, in the order of the text."""
    for node in source.find(m.List()):
        elements = [element.value for element in cst.ensure_type(node, cst.List).elements]
        groups = [group for element in elements if (group := _group(element)) is not None]
        if len(groups) == len(elements) == 2 and groups[0].decays != groups[1].decays:
            yield groups[0], groups[1]


def schedules(source: Source) -> Iterator[Schedule]:
    """Loops that do nothing but write one and the same rate to every group of an optimizer."""
    for node in source.find(m.For(iter=m.Attribute(attr=m.Name("param_groups")), target=m.Name(), orelse=None)):
        loop = cst.ensure_type(node, cst.For)
        group = cst.ensure_type(loop.target, cst.Name).value
        body = loop.body.body
        write = m.SimpleStatementLine(
            body=[
                m.Assign(
                    targets=[
                        m.AssignTarget(
                            m.Subscript(
                                value=m.Name(group),
                                slice=[m.SubscriptElement(m.Index(QUOTED_LR))],
                            )
                        )
                    ]
                )
            ]
        )
        if len(body) == 1 and m.matches(body[0], write):
            [key] = source.find(QUOTED_LR, within=body[0])
            rate = cst.ensure_type(source.find(m.Assign(), within=body[0])[0], cst.Assign).value
            if not source.find(m.Name(group), within=rate):
                yield Schedule(loop, cst.ensure_type(loop.iter, cst.Attribute), key, rate)


def _group(expression: cst.BaseExpression) -> Group | None:
    if not isinstance(expression, cst.Dict):
        return None
    entries = {
        str(element.key.evaluated_value): element
        for element in expression.elements
        if isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString)
    }
    if not {"params", "weight_decay"} <= entries.keys():
        return None
    decay = entries["weight_decay"]
    return Group(expression, entries["params"].value, decay.key, decay.value)


def warm_ups(source: Source) -> Iterator[cst.BinaryOperation]:
    """Divisions by the length of the warm-up, in functions: how far it has come, as a fraction or as a rate."""
    for node in source.find(m.BinaryOperation(operator=m.Divide())):
        fraction = cst.ensure_type(node, cst.BinaryOperation)
        scope = source.scope(fraction)
        in_function = isinstance(scope, cst.FunctionDef) and not OTHER_SCHEDULES.search(scope.name.value)
        # What is left of a run after its warm-up is a difference.
        is_length = not source.find(m.Subtract(), within=fraction.right)
        length = source.code(fraction.right).lower()
        if in_function and is_length and "warm" in length and "down" not in length:
            yield fraction


def with_parentheses(source: Source, node: cst.BaseExpression) -> tuple[int, int]:
    """The bytes of an expression, with the parentheses right around it."""
    start, end = source.span(node)
    for _ in node.lpar:
        start, end = start - 1, end + 1
    return start, end
