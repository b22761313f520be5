"""Where a value was made: what a local name or an attribute of self was assigned."""

import libcst as cst
from libcst import matchers as m

from mutations.roles.sizes import resolve
from mutations.source import Source


def definition(source: Source, expression: cst.BaseExpression) -> cst.BaseExpression:
    """What a local name or an attribute of self was assigned; any other expression is what it is."""
    if m.matches(expression, m.Attribute(value=m.Name("self"))):
        for node in source.find(m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))])):
            assignment = cst.ensure_type(node, cst.Assign)
            if assignment.targets[0].target.deep_equals(expression):
                return assignment.value
    return resolve(source, expression)
