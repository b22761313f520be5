"""Layers that constructors make, and where they are called."""

from collections.abc import Callable
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.calls import argument
from mutations.roles.sizes import is_vocabulary
from mutations.source import Source


class Layer(NamedTuple):
    """A layer that a module keeps under a name: `self.name = kind(...)`, or an entry of a module dict."""

    name: str
    call: cst.Call
    owner: cst.ClassDef


def layers(source: Source, is_kind: Callable[[str], bool]) -> list[Layer]:
    """The layers of a kind, in the order in which they are made."""
    found = []
    for node in source.find(m.Call(func=m.Attribute() | m.Name())):
        call = cst.ensure_type(node, cst.Call)
        name, owner = _kept_as(source, call), owner_of(source, call)
        if name is not None and owner is not None and is_kind(function_name(call)):
            found.append(Layer(name, call, owner))
    return found


def norms(source: Source) -> list[Layer]:
    """Layer norms, torch's own or others that are called so."""
    return layers(source, lambda kind: kind.endswith("Norm"))


def position_embeddings(source: Source) -> list[Layer]:
    """Embeddings of something other than the vocabulary: in a GPT, of positions."""
    return [layer for layer in _embeddings(source) if not _has_vocabulary_rows(source, layer)]


def token_embeddings(source: Source) -> list[Layer]:
    """Embeddings of the vocabulary."""
    return [layer for layer in _embeddings(source) if _has_vocabulary_rows(source, layer)]


def head(source: Source) -> Layer | None:
    """The map from the width to the vocabulary: the last linear layer whose outputs are the vocabulary."""
    heads = []
    for layer in layers(source, lambda kind: kind == "Linear"):
        outputs = argument(layer.call, 1, "out_features")
        if outputs is not None and is_vocabulary(source, outputs.value):
            heads.append(layer)
    return heads[-1] if heads else None


def is_tied(source: Source, *names: str) -> bool:
    """Whether two layers are made to share their weights: `a.weight = b.weight`, whichever way round."""
    weight = m.Attribute(value=m.Attribute(attr=m.OneOf(*map(m.Name, names))), attr=m.Name("weight"))
    return bool(source.find(m.Assign(targets=[m.AssignTarget(weight)], value=weight)))


def module_lists(source: Source) -> list[cst.Call]:
    """Calls that make a module list out of one comprehension, such as the stack of blocks."""
    comprehension = m.GeneratorExp() | m.ListComp()
    function = m.Attribute(attr=m.Name("ModuleList")) | m.Name("ModuleList")
    return [cst.ensure_type(node, cst.Call) for node in source.find(m.Call(func=function, args=[m.Arg(comprehension)]))]


def calls(source: Source, names: set[str], within: cst.CSTNode | None = None) -> list[cst.Call]:
    """Calls of layers by their names, on self or on a dict of modules that self holds."""
    if not names:
        return []
    function = m.Attribute(
        value=m.Name("self") | m.Attribute(value=m.Name("self")), attr=m.OneOf(*map(m.Name, sorted(names)))
    )
    return [cst.ensure_type(node, cst.Call) for node in source.find(m.Call(func=function), within=within)]


def owner_of(source: Source, node: cst.CSTNode) -> cst.ClassDef | None:
    """The innermost class around a node."""
    while not isinstance(node, cst.ClassDef | cst.Module):
        node = source.parent(node)
    return node if isinstance(node, cst.ClassDef) else None


def function_name(call: cst.Call) -> str:
    """The last part of what is called: `Linear` of `nn.Linear(...)`."""
    function = call.func
    if isinstance(function, cst.Attribute):
        return function.attr.value
    return function.value if isinstance(function, cst.Name) else ""


def _embeddings(source: Source) -> list[Layer]:
    return layers(source, lambda kind: kind == "Embedding")


def _has_vocabulary_rows(source: Source, layer: Layer) -> bool:
    rows = argument(layer.call, 0, "num_embeddings")
    return rows is not None and is_vocabulary(source, rows.value)


def _kept_as(source: Source, call: cst.Call) -> str | None:
    parent = source.parent(call)
    if isinstance(parent, cst.IfExp) and call is not parent.test:
        parent = source.parent(parent)
    if isinstance(parent, cst.Assign) and m.matches(parent.targets[0].target, m.Attribute(value=m.Name("self"))):
        return cst.ensure_type(parent.targets[0].target, cst.Attribute).attr.value
    if isinstance(parent, cst.Arg) and parent.keyword is not None:
        around = source.parent(parent)
        return parent.keyword.value if m.matches(around, m.Call(func=m.Name("dict"))) else None
    if isinstance(parent, cst.DictElement) and isinstance(parent.key, cst.SimpleString):
        return str(parent.key.evaluated_value)
    return None
