"""A head that gives each token a class."""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.roles.losses import is_about_classes
from mutations.source import Source

LINEAR = m.Call(func=m.Attribute(attr=m.Name("Linear")) | m.Name("Linear"))
OWN_METHOD = m.Call(func=m.Attribute(value=m.Name("self")))


def heads(source: Source) -> set[str]:
    """Attributes that hold a linear map whose outputs are classes, or None where there are no classes."""
    found = set()
    for node in source.find(m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))])):
        assignment = cst.ensure_type(node, cst.Assign)
        if is_about_classes(source.code(assignment.value)) and _makes_linear(source, assignment.value):
            found.add(cst.ensure_type(assignment.targets[0].target, cst.Attribute).attr.value)
    return found


def head_calls(source: Source) -> Iterator[cst.Call]:
    """Where the head reads the model: calls with a name and nothing else."""
    names = heads(source)
    if names:
        function = m.Attribute(value=m.Name("self"), attr=m.OneOf(*map(m.Name, sorted(names))))
        for node in source.find(m.Call(func=function, args=[m.Arg(m.Name(), keyword=None, star="")])):
            yield cst.ensure_type(node, cst.Call)


def _makes_linear(source: Source, value: cst.BaseExpression) -> bool:
    """Whether a linear map is made here, or by a method that is called here."""
    if source.find(LINEAR, within=value):
        return True
    called = {
        cst.ensure_type(cst.ensure_type(call, cst.Call).func, cst.Attribute).attr.value
        for call in source.find(OWN_METHOD, within=value)
    }
    functions = [cst.ensure_type(node, cst.FunctionDef) for node in source.find(m.FunctionDef())]
    return any(source.find(LINEAR, within=function) for function in functions if function.name.value in called)
