"""Where a model gives its parameters their first values."""

import libcst as cst
from libcst import matchers as m

from mutations.roles.calls import argument
from mutations.source import Source

PARAMETERS = m.Call(func=m.Attribute(attr=m.Name("named_parameters") | m.Name("parameters")))
MODULES = m.Call(func=m.Attribute(attr=m.Name("named_modules") | m.Name("modules")))
DRAW = m.Call(func=m.Attribute(attr=m.Name("normal_") | m.Name("trunc_normal_")))


def initialisers(source: Source) -> list[cst.FunctionDef]:
    """Functions that go through the whole model and draw: over its parameters, its modules, or handed to apply."""
    applied = {
        cst.ensure_type(cst.ensure_type(node, cst.Call).args[0].value, cst.Attribute).attr.value
        for node in source.find(
            m.Call(func=m.Attribute(attr=m.Name("apply")), args=[m.Arg(m.Attribute(value=m.Name("self")))])
        )
    }
    found = []
    for node in source.find(m.FunctionDef()):
        function = cst.ensure_type(node, cst.FunctionDef)
        loops = source.find(m.For(iter=PARAMETERS | MODULES), within=function)
        if (loops or function.name.value in applied) and source.find(DRAW, within=function):
            found.append(function)
    return found


def draws(source: Source, within: cst.CSTNode | None = None) -> list[cst.Call]:
    """Calls that fill a tensor with normal numbers: `nn.init.normal_(tensor, ...)`, `tensor.normal_(...)`."""
    return [cst.ensure_type(node, cst.Call) for node in source.find(DRAW, within=within)]


def spread(source: Source, draw: cst.Call) -> cst.Arg | None:
    """The standard deviation that a draw is given."""
    return argument(draw, 2 if is_function(source, draw) else 1, "std")


def is_function(source: Source, draw: cst.Call) -> bool:
    """Whether the tensor that is drawn is the first argument, as for the functions of nn.init."""
    function = cst.ensure_type(draw.func, cst.Attribute)
    return source.code(function.value).split(".")[-1] == "init"
