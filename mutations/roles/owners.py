"""Whose function a call means: torch's, or one that the author wrote and called the same."""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

TORCH = "torch"


def is_torchs(source: Source, call: cst.Call) -> bool:
    """Whether what is called may be torch's: where nothing in the file says otherwise, it is."""
    root = _root(call.func)
    if root is None or root == "self":
        return False
    if isinstance(call.func, cst.Name) and _own(source, root) is not None:
        return False
    modules = list(_imported_from(source, root))
    return not modules or any(module.split(".")[0] == TORCH for module in modules)


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
    """The function or the class of that name at the top of the file."""
    found = source.find(m.FunctionDef(m.Name(name)) | m.ClassDef(m.Name(name)))
    return next((node for node in found if source.parent(node) is source.module), None)


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
