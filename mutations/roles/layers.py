"""Layers that constructors make, and where they are called."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.calls import argument
from mutations.roles.sizes import is_vocabulary, resolve
from mutations.source import Source

# What the rows of a table of positions, or the table itself, are called.
POSITIONS = re.compile(r"pos|wpe|block_?size|n_?ctx|context|seq|max_?len|length|time", re.IGNORECASE)
ARANGE = m.Call(func=m.Attribute(attr=m.Name("arange")))
# What reads off a weight how large or of which kind it is.
LOOKS = re.compile("dtype|device|shape|ndim|size|numel|dim|requires_grad|grad|is_contiguous|element_size")
PARTS = re.compile("head|expert|logit|group|branch|codebook", re.IGNORECASE)
PART_KINDS = re.compile("linear|norm|embed|conv|dropout|proj|mlp|feed|ffn|lora|adapter|parameter", re.IGNORECASE)
# Models of such names answer something else than which token comes next.
OTHER_TASKS = re.compile("question|choice|double", re.IGNORECASE)


class Layer(NamedTuple):
    """A layer that a module keeps under a name: `self.name = kind(...)`, or an entry of a module dict."""

    name: str
    call: cst.Call
    owner: cst.ClassDef


def layers(source: Source, is_kind: Callable[[str], bool]) -> list[Layer]:
    """The layers of a kind, in the order in which they are made."""
    return [layer for layer in _all_layers(source) if is_kind(function_name(layer.call))]


@lru_cache(maxsize=32)  # most operators ask for layers of some kind, and a few for those of several
def _all_layers(source: Source) -> tuple[Layer, ...]:
    found = []
    for node in source.find(m.Call(func=m.Attribute() | m.Name())):
        call = cst.ensure_type(node, cst.Call)
        name, owner = kept_as(source, call), owner_of(source, call)
        if name is not None and owner is not None:
            found.append(Layer(name, call, owner))
    return tuple(found)


def norms(source: Source) -> list[Layer]:
    """Layer norms, torch's own or others that are called so."""
    return layers(source, lambda kind: kind.endswith("Norm"))


def position_embeddings(source: Source) -> list[Layer]:
    """Embeddings of positions: called so, or looked up by what was counted; never those of the vocabulary."""
    return [
        layer
        for layer in _embeddings(source)
        if not _has_vocabulary_rows(source, layer) and _is_about_positions(source, layer)
    ]


def token_embeddings(source: Source) -> list[Layer]:
    """Embeddings of the vocabulary: called so, or the one that is left in a class beside a table of positions."""
    found, positions = _embeddings(source), position_embeddings(source)
    named = [layer for layer in found if _has_vocabulary_rows(source, layer)]
    owners = [layer.owner for layer in positions]
    known = [layer.owner for layer in named]
    left = [layer for layer in found if layer not in positions and layer.owner in owners and layer.owner not in known]
    alone = [layer for layer in left if sum(layer.owner is other.owner for other in left) == 1]
    return [layer for layer in found if layer in named or layer in alone]


def head(source: Source) -> Layer | None:
    """The map from the width to the vocabulary: the last linear layer whose outputs are the vocabulary.

    That of a model which answers something else beside the next token is left out.
    """
    heads = []
    for layer in layers(source, lambda kind: kind == "Linear"):
        outputs = argument(layer.call, 1, "out_features")
        if outputs is not None and is_vocabulary(source, outputs.value):
            heads.append(layer)
    heads = [layer for layer in heads if not OTHER_TASKS.search(layer.owner.name.value)] or heads
    return heads[-1] if heads else None


def shares_weight(source: Source, name: str) -> bool:
    """Whether another part of the model may have a layer's weight too: neither its gradient nor its shape is its own.

    Whatever takes the weight itself, `a.weight = b.weight`, `x @ a.weight.T`, `F.linear(x, a.weight)`, may share it;
    what looks at its type, counts it or fills it with numbers does not. A whole layer under two names is shared, and so
    is one that a list of tied names has.
    """
    quoted = m.SimpleString(m.MatchRegex(rf"""["']{re.escape(name)}["']"""))
    entry = m.Subscript(slice=[m.SubscriptElement(m.Index(quoted))])
    kept = m.Attribute(attr=m.Name(name)) | m.Name(name) | entry
    weights = source.find(m.Attribute(value=kept, attr=m.Name("weight")))
    if any(_is_taken(source, cst.ensure_type(node, cst.Attribute)) for node in weights):
        return True
    return _has_two_names(source, name) or _is_listed_as_tied(source, name)


def _is_taken(source: Source, weight: cst.Attribute) -> bool:
    """Whether a weight is used as it is, for something else than to look at it or to fill it."""
    node: cst.CSTNode = weight
    parent = source.parent(node)
    while isinstance(parent, cst.Attribute) and parent.attr.value in ("data", "T", "mT"):
        node, parent = parent, source.parent(parent)
    match parent:
        case cst.Attribute():
            return not (LOOKS.fullmatch(parent.attr.value) or parent.attr.value.endswith("_"))
        case cst.AssignTarget():
            value = cst.ensure_type(source.parent(parent), cst.Assign).value
            return not isinstance(value, cst.Call)
        case cst.Arg():
            call = source.parent(parent)
            return not (isinstance(call, cst.Call) and _only_looks(source, call, weight))
    return True


def _only_looks(source: Source, call: cst.Call, weight: cst.Attribute) -> bool:
    """Whether a call measures a weight, fills it with numbers, or makes the one that takes its place."""
    name, around = function_name(call), source.parent(call)
    if name in ("len", "print", "id", "isinstance") or name.endswith("_"):
        return True
    return isinstance(around, cst.Assign) and around.targets[0].target.deep_equals(weight)


def _has_two_names(source: Source, name: str) -> bool:
    """Whether a layer is assigned to another attribute, or handed to a function that ties."""
    of_self = m.Attribute(value=m.Name("self"), attr=m.Name(name))
    assigned = m.Assign(targets=[m.AssignTarget(m.Attribute())], value=of_self)
    replaced = m.Assign(targets=[m.AssignTarget(of_self)], value=m.Attribute(value=m.Name("self")))
    ties = m.Name(m.MatchRegex("(?i).*(tie|share).*"))
    given = m.Call(func=ties | m.Attribute(attr=ties), args=[m.ZeroOrMore(), m.Arg(of_self), m.ZeroOrMore()])
    return bool(source.find(assigned | replaced | given))


def _is_listed_as_tied(source: Source, name: str) -> bool:
    for node in source.find(m.Assign() | m.AnnAssign()):
        assert isinstance(node, cst.Assign | cst.AnnAssign)
        targets = [node.target] if isinstance(node, cst.AnnAssign) else [each.target for each in node.targets]
        if node.value is not None and any("tied_weights" in source.code(target) for target in targets):
            strings = source.find(m.SimpleString(), within=node.value)
            paths = [str(cst.ensure_type(string, cst.SimpleString).evaluated_value) for string in strings]
            if any(path.split(".")[-2:] == [name, "weight"] for path in paths):
                return True
    return False


def stacks(source: Source) -> list[cst.Call]:
    """Calls that make a module list out of one comprehension: the layers of a model, no heads or experts.

    What a function returns may be copies of anything.
    """
    comprehension = m.GeneratorExp() | m.ListComp()
    function = m.Attribute(attr=m.Name("ModuleList")) | m.Name("ModuleList")
    found = source.find(m.Call(func=function, args=[m.Arg(comprehension)]))
    calls_ = [cst.ensure_type(node, cst.Call) for node in found if not isinstance(source.parent(node), cst.Return)]
    return [call for call in calls_ if not _holds_parts_of_a_layer(source, call)]


def _holds_parts_of_a_layer(source: Source, stack: cst.Call) -> bool:
    """Whether a list is one of heads, of experts, or of single maps and norms: several of them make a layer."""
    made = stack.args[0].value
    assert isinstance(made, cst.GeneratorExp | cst.ListComp)
    kind = function_name(made.elt) if isinstance(made.elt, cst.Call) else ""
    names = [kind, kept_as(source, stack) or "", source.code(made.for_in.iter)]
    return bool(PART_KINDS.search(kind)) or any(PARTS.search(name) for name in names)


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


def kept_as(source: Source, call: cst.Call) -> str | None:
    """The name under which a module keeps a layer where it makes it."""
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


def _is_about_positions(source: Source, layer: Layer) -> bool:
    rows = argument(layer.call, 0, "num_embeddings")
    said = "" if rows is None else f"{source.code(rows.value)} {source.code(resolve(source, rows.value))}"
    return bool(POSITIONS.search(f"{layer.name} {said}")) or any(
        source.find(ARANGE, within=resolve(source, arg.value))
        for call in calls(source, {layer.name}, within=layer.owner)
        for arg in call.args[:1]
    )
