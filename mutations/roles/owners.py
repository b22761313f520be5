"""Whose function a call means: torch's, or one that the author wrote and called the same."""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

TORCH = "torch"


def is_torchs(source: Source, call: cst.Call) -> bool:
    """Whether what is called is torch's: where nothing in the file says otherwise, it is."""
    root = _root(call.func)
    if root is None or root == "self":
        return False
    if isinstance(call.func, cst.Name) and _may_be_the_authors(source, call.func):
        return False
    return all(module.split(".")[0] == TORCH for module in _imported_from(source, root))


def _may_be_the_authors(source: Source, name: cst.Name) -> bool:
    """Whether a name is defined or assigned in the file, is a parameter, or may come out of another module's star."""
    if _own(source, name.value) is not None or _is_assigned(source, name) or _is_parameter(source, name):
        return True
    stars = [cst.ensure_type(node, cst.ImportFrom) for node in source.find(m.ImportFrom(names=m.ImportStar()))]
    foreign = any(star.module is None or source.code(star.module).split(".")[0] != TORCH for star in stars)
    return foreign and not list(_imported_from(source, name.value))


def _is_assigned(source: Source, name: cst.Name) -> bool:
    """Whether a name is given a value that is nothing of torch's: `cross_entropy = make_loss()`."""
    assigned = source.find(m.Assign(targets=[m.AssignTarget(m.Name(name.value))]))
    values = [cst.ensure_type(node, cst.Assign).value for node in assigned]
    return any(_root(value) not in (TORCH, "nn", "F") for value in values)


def _is_parameter(source: Source, name: cst.Name) -> bool:
    function = source.scope(name)
    return isinstance(function, cst.FunctionDef) and bool(
        source.find(m.Param(name=m.Name(name.value)), within=function.params)
    )


def takes(source: Source, call: cst.Call, keyword: str) -> bool:
    """Whether what is called has such a keyword, as far as the file can tell: torch's does, an author's own may not."""
    if is_torchs(source, call):
        return True
    own = _own(source, call.func.value) if isinstance(call.func, cst.Name) else None
    if isinstance(own, cst.ClassDef):
        own = next((node for node in source.find(m.FunctionDef(m.Name("__init__")), within=own)), None)
    if not isinstance(own, cst.FunctionDef):
        return False
    parameters = (*own.params.params, *own.params.kwonly_params)
    return any(parameter.name.value == keyword for parameter in parameters)


def _own(source: Source, name: str) -> cst.CSTNode | None:
    """The function or the class of that name in the file; a method has another owner."""
    found = source.find(m.FunctionDef(m.Name(name)) | m.ClassDef(m.Name(name)))
    return next((node for node in found if not _is_method(source, node)), None)


def _is_method(source: Source, node: cst.CSTNode) -> bool:
    block = source.parent(node)
    return (
        isinstance(node, cst.FunctionDef)
        and not isinstance(block, cst.Module)
        and isinstance(source.parent(block), cst.ClassDef)
    )


def _root(function: cst.BaseExpression) -> str | None:
    """The first of the names in `torch.nn.functional.gelu`."""
    while isinstance(function, cst.Attribute):
        function = function.value
    return function.value if isinstance(function, cst.Name) else None


def _imported_from(source: Source, name: str) -> Iterator[str]:
    """The modules from which, or as which, a name is imported."""
    for node in source.find(m.ImportFrom()):
        imported = cst.ensure_type(node, cst.ImportFrom)
        if not isinstance(imported.names, cst.ImportStar) and name in map(_bound_name, imported.names):
            yield "." if imported.module is None or imported.relative else source.code(imported.module)
    for node in source.find(m.Import()):
        for alias in cst.ensure_type(node, cst.Import).names:
            if _bound_name(alias) == name:
                yield source.code(alias.name)


def _bound_name(alias: cst.ImportAlias) -> str:
    """What an import calls what it imports."""
    if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
        return alias.asname.name.value
    return _root(alias.name) or ""
