"""What the parameters of a model are called, and which role each of them plays, as far as constructors say it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.attention import inputs, linear_calls
from mutations.roles.calls import argument
from mutations.roles.layers import (
    function_name,
    head,
    owner_of,
    position_embeddings,
    shares_weight,
    token_embeddings,
)
from mutations.roles.models import method
from mutations.roles.sizes import resolve
from mutations.source import Source

NUMBER: Final = "#"  # in a path: the number of a layer
LINEAR: Final = re.compile(r"(?i)linear|conv1d")
NORM: Final = re.compile(r"(?i).*norm")
BIASES: Final = re.compile(r"(?i)b|bias|beta|shift|offset")
PARTS: Final = (
    ("query", re.compile(r"(?i)(to_|w_?|x|c_)?q(uer(y|ies))?(_?(proj|lin|linear|map))?")),
    ("key", re.compile(r"(?i)(to_|w_?|x|c_)?k(eys?)?(_?(proj|lin|linear|map))?")),
    ("value", re.compile(r"(?i)(to_|w_?|x|c_)?v(alues?)?(_?(proj|lin|linear|map))?")),
)
LAST: Final = re.compile(r"(?i)w_?2|(c|fc|lin|out|output)_?(2|proj|out)|.*down.*|proj|out|output|\d+")
DEPTH: Final = 8


class Names(NamedTuple):
    """Names and roles.

    Attributes:
        roles: by pattern of whole names, one role, or several where one parameter holds them.
        transposed: patterns of weights that are (inputs, outputs).
        todos: what could not be told.
    """

    roles: dict[str, tuple[str, ...]]
    transposed: tuple[str, ...]
    todos: tuple[str, ...]


class _Leaf(NamedTuple):
    """A layer that has parameters: where it hangs in the model, and who made it."""

    path: tuple[str, ...]
    kind: str
    call: cst.Call
    source: Source
    owners: tuple[cst.ClassDef, ...]

    @property
    def pattern(self) -> str:
        """Of what stands before `.weight`."""
        return r"\.".join(r"(\d+)" if part == NUMBER else re.escape(part) for part in self.path)

    @property
    def place(self) -> str:
        """Where it hangs, for a reader."""
        return ".".join("{i}" if part == NUMBER else part for part in self.path)

    @property
    def name(self) -> str:
        """What it is called where it hangs: nothing but a number in a sequence."""
        return self.path[-1]


def own_class(sources: Mapping[str, Source], name: str) -> tuple[Source, cst.ClassDef] | None:
    """The class of that name which a package has itself, and its file."""
    for source in sources.values():
        for node in source.find(m.ClassDef(name=m.Name(name))) if name.isidentifier() else ():
            return source, cst.ensure_type(node, cst.ClassDef)
    return None


def names_of(sources: Mapping[str, Source], source: Source, model: cst.ClassDef) -> Names:
    """The parameters of a model, by what constructors make in the files of its package."""
    return _Naming(sources).names(list(_Tree(sources).below(source, model, (), ())))


class _Tree:
    """What hangs in a model."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def below(
        self, source: Source, owner: cst.ClassDef, path: tuple[str, ...], owners: tuple[cst.ClassDef, ...]
    ) -> Iterator[_Leaf]:
        """The layers of a class, in the order of its text."""
        made = method(owner, "__init__")
        if made is None or len(path) > DEPTH or owner in owners:
            return
        of_self = m.Attribute(value=m.Name("self"))
        appended = m.Call(func=m.Attribute(value=of_self, attr=m.Name("append")), args=[m.Arg()])
        for node in source.find(
            m.Assign(targets=[m.AssignTarget(of_self)]) | m.AnnAssign(target=of_self) | appended, made
        ):
            if _is_for_an_encoder(source, node):
                continue
            if isinstance(node, cst.Call):
                kept = cst.ensure_type(cst.ensure_type(node.func, cst.Attribute).value, cst.Attribute)
                yield from self._of(source, node.args[0].value, (*path, kept.attr.value, NUMBER), (*owners, owner))
                continue
            assert isinstance(node, cst.Assign | cst.AnnAssign)
            target = node.target if isinstance(node, cst.AnnAssign) else node.targets[0].target
            if node.value is not None:
                name = cst.ensure_type(target, cst.Attribute).attr.value
                yield from self._of(source, node.value, (*path, name), (*owners, owner))

    def _of(
        self, source: Source, value: cst.BaseExpression, path: tuple[str, ...], owners: tuple[cst.ClassDef, ...]
    ) -> Iterator[_Leaf]:
        """What an expression makes."""
        if isinstance(value, cst.IfExp):
            yield from self._of(source, value.body, path, owners)
        if not isinstance(value, cst.Call):
            return
        kind = function_name(value)
        if kind == "ModuleDict":
            for name, element in _entries(value):
                yield from self._of(source, element, (*path, name), owners)
        elif kind in ("ModuleList", "Sequential"):
            for name, element in _elements(value):
                yield from self._of(source, element, (*path, name), owners)
        elif LINEAR.fullmatch(kind) or NORM.fullmatch(kind) or kind == "Embedding":
            yield _Leaf(path, kind, value, source, owners)
        elif own := own_class(self._sources, kind):
            yield from self.below(*own, path, owners)


def _is_for_an_encoder(source: Source, node: cst.CSTNode) -> bool:
    """Whether a layer is made only where there is an encoder to attend to, which a decoder has not."""
    while not isinstance(node, cst.FunctionDef):
        below, node = node, source.parent(node)
        if isinstance(node, cst.If) and below is node.body and "cross" in source.code(node.test).lower():
            return True
    return False


def _entries(made: cst.Call) -> Iterator[tuple[str, cst.BaseExpression]]:
    """The names and values of a dict of modules."""
    for arg in made.args[:1]:
        match arg.value:
            case cst.Call(args=args):
                yield from ((each.keyword.value, each.value) for each in args if each.keyword is not None)
            case cst.Dict(elements=elements):
                for element in elements:
                    if isinstance(element, cst.DictElement) and isinstance(element.key, cst.SimpleString):
                        name = str(element.key.evaluated_value)
                        if name.replace("-", "_").isidentifier():
                            yield name, element.value


def _elements(made: cst.Call) -> Iterator[tuple[str, cst.BaseExpression]]:
    """The numbers and values of a list of modules; what one comprehension makes has any number."""
    for index, arg in enumerate(made.args):
        match arg.value:
            case cst.ListComp(elt=element) | cst.GeneratorExp(elt=element):
                yield NUMBER, element
            case cst.List(elements=elements) | cst.Tuple(elements=elements):
                yield from ((str(place), element.value) for place, element in enumerate(elements))
            case value:
                yield str(index), value


class _Naming:
    """Gives roles."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._roles: dict[str, tuple[str, ...]] = {}
        self._transposed: list[str] = []
        self._todos: list[str] = []
        self._tokens = [layer for source in sources.values() for layer in token_embeddings(source)]
        self._positions = [layer for source in sources.values() for layer in position_embeddings(source)]
        self._heads = {found.call: source for source in sources.values() if (found := head(source)) is not None}
        self._attending = [
            (owner_of(source, found.node), source, found) for source in sources.values() for found in inputs(source)
        ]

    def names(self, leaves: Sequence[_Leaf]) -> Names:
        """Of all layers."""
        outside = [leaf for leaf in leaves if NUMBER not in leaf.path]
        inside = [leaf for leaf in leaves if leaf.path.count(NUMBER) == 1]
        self._ends(outside)
        deep = [leaf for leaf in leaves if leaf.path.count(NUMBER) > 1]
        of_heads = [leaf.owners[-2] for leaf in deep if self._attends(leaf)]
        attention = [
            leaf
            for leaf in inside
            if LINEAR.fullmatch(leaf.kind) and (self._attends(leaf) or leaf.owners[-1] in of_heads)
        ]
        maps = [leaf for leaf in inside if LINEAR.fullmatch(leaf.kind) and leaf not in attention]
        self._norms([leaf for leaf in inside if NORM.fullmatch(leaf.kind) and not self._attends(leaf)])
        for leaf in attention:
            self._of_attention(leaf, len(attention) + len(of_heads))
        self._of_mlp(maps)
        self._roles |= self._end([leaf for leaf in outside if NORM.fullmatch(leaf.kind)])
        self._todos += [f"{leaf.place}: a module of its own for each head or expert has no role" for leaf in deep]
        own = {
            leaf.kind
            for leaf in leaves
            if LINEAR.fullmatch(leaf.kind) and own_class(self._sources, leaf.kind) is not None
        }
        self._todos += [
            f"is the weight of {kind} (outputs, inputs)? Else put its patterns into TRANSPOSED"
            for kind in sorted(own - {"Conv1D"})
        ]
        return Names(self._roles, tuple(self._transposed), tuple(dict.fromkeys(self._todos)))

    def _ends(self, leaves: Sequence[_Leaf]) -> None:
        """Embeddings and the head."""
        for leaf in leaves:
            if any(leaf.call is layer.call for layer in self._tokens):
                self._roles[rf"{leaf.pattern}\.weight"] = ("token_embedding.weight",)
            elif any(leaf.call is layer.call for layer in self._positions):
                self._roles[rf"{leaf.pattern}\.weight"] = ("position_embedding.weight",)
            elif leaf.call in self._heads and not shares_weight(leaf.source, leaf.name):
                self._roles[rf"{leaf.pattern}\.weight"] = ("lm_head.weight",)
        if not any("token_embedding.weight" in roles for roles in self._roles.values()):
            self._todos.append("the table of tokens, token_embedding.weight")

    def _end(self, norms: Sequence[_Leaf]) -> dict[str, tuple[str, ...]]:
        """The last norm, where there is no other outside of the layers."""
        if len(norms) > 1:
            self._todos.append(f"which of {', '.join(leaf.place for leaf in norms)} is ln_f")
        return self._norm(norms[0], "ln_f") if len(norms) == 1 else {}

    def _norms(self, norms: Sequence[_Leaf]) -> None:
        """The norms of a layer in the order in which it uses them."""
        if len(norms) != 2 or norms[0].owners[-1] is not norms[1].owners[-1]:
            if norms:
                self._todos.append(f"which of {', '.join(leaf.place for leaf in norms)} are ln_1 and ln_2")
            return
        for place, leaf in enumerate(sorted(norms, key=_first_used), 1):
            self._roles |= self._norm(leaf, rf"blocks.\1.ln_{place}")

    def _norm(self, leaf: _Leaf, role: str) -> dict[str, tuple[str, ...]]:
        """Weight and bias, whatever a norm of the author's calls them."""
        usual: dict[str, tuple[str, ...]] = {rf"{leaf.pattern}\.(\w+)": (rf"{role}.\{1 + (NUMBER in leaf.path)}",)}
        own = own_class(self._sources, leaf.kind)
        if own is None:
            return usual
        source, owner = own
        made = m.Call(func=m.Attribute(attr=m.Name("Parameter")) | m.Name("Parameter"))
        kept = m.Attribute(value=m.Name("self"))
        names = {}
        for node in source.find(m.Assign(targets=[m.AssignTarget(kept)]), within=owner):
            assignment = cst.ensure_type(node, cst.Assign)
            if source.find(made, within=assignment.value):
                name = cst.ensure_type(assignment.targets[0].target, cst.Attribute).attr.value
                names[name] = "bias" if BIASES.fullmatch(name) else "weight"
        if set(names) <= {"weight", "bias"}:
            return usual
        return {rf"{leaf.pattern}\.{re.escape(name)}": (f"{role}.{part}",) for name, part in names.items()}

    def _of_attention(self, leaf: _Leaf, among: int) -> None:
        part = self._fed(leaf) or next((part for part, name in PARTS if name.fullmatch(leaf.name)), "proj")
        width = self._outputs(leaf)
        size = "" if width is None else leaf.source.code(resolve(leaf.source, width)).replace(" ", "")
        if re.search(r"(^|\()3\*|\*3\)?$", size):
            self._give(leaf, tuple(rf"blocks.\1.attn.{each}" for each in self._order(leaf)))
        elif re.search(r"(?i)qkv|c_attn|in_proj|kv", leaf.name):
            self._todos.append(f"{leaf.place}: its parts are not equal, or were not understood")
        elif part == "proj" and among == 1:
            self._todos.append(f"{leaf.place}: which map of the attention it is")
        else:
            self._give(leaf, (rf"blocks.\1.attn.{part}",))

    def _fed(self, leaf: _Leaf) -> str | None:
        """Which of the three a map makes, by where its outputs go: nothing where one map makes them all."""
        fed = set()
        for owner, source, found in self._attending:
            if owner is leaf.owners[-1]:
                for part in ("query", "key", "value"):
                    calls = linear_calls(source, getattr(found, part))
                    if any(function_name(call) == leaf.name for call in calls):
                        fed.add(part)
        return fed.pop() if len(fed) == 1 else None

    def _order(self, leaf: _Leaf) -> tuple[str, ...]:
        """In which order one map holds the three: as they are taken apart, else the usual one, to be looked at."""
        forward = method(leaf.owners[-1], "forward")
        three = m.Tuple(elements=[m.Element(m.Name())] * 3)
        for node in leaf.source.find(m.Assign(targets=[m.AssignTarget(three)]), within=forward or leaf.owners[-1]):
            target = cst.ensure_type(cst.ensure_type(node, cst.Assign).targets[0].target, cst.Tuple)
            letters = [leaf.source.code(element.value).lstrip("x")[:1].lower() for element in target.elements]
            if sorted(letters) == ["k", "q", "v"]:
                return tuple({"q": "query", "k": "key", "v": "value"}[letter] for letter in letters)
        self._todos.append(f"{leaf.place}: is it queries, keys and values in this order, one after the other?")
        return "query", "key", "value"

    def _of_mlp(self, maps: Sequence[_Leaf]) -> None:
        """The maps of an MLP: two of them, or of a gated one the last."""
        gated = len(maps) > 2 or any(_is_cut(leaf) for leaf in maps)
        last = [leaf for leaf in maps if LAST.fullmatch(leaf.name)]
        if len(maps) == 2 and len(last) != 1:
            last = list(maps[1:])
        if len(last) != 1 or len(maps) < 2 or len(maps) > 3:
            if maps:
                self._todos.append(f"which of {', '.join(leaf.place for leaf in maps)} are mlp.fc and mlp.proj")
            return
        for leaf in maps:
            if leaf is last[0]:
                self._give(leaf, (r"blocks.\1.mlp.proj",))
            elif not gated:
                self._give(leaf, (r"blocks.\1.mlp.fc",))

    def _give(self, leaf: _Leaf, roles: tuple[str, ...]) -> None:
        self._roles[rf"{leaf.pattern}\.(\w+)"] = tuple(rf"{role}.\2" for role in roles)
        if leaf.kind == "Conv1D":
            self._transposed.append(rf"{leaf.pattern.replace('(', '').replace(')', '')}\.weight")

    def _attends(self, leaf: _Leaf) -> bool:
        """Whether the class that holds a layer is one that attends, by what it does or by its name."""
        owner = leaf.owners[-1]
        return any(owner is found for found, _, _ in self._attending) or "attention" in owner.name.value.lower()

    @staticmethod
    def _outputs(leaf: _Leaf) -> cst.BaseExpression | None:
        place, keyword = (0, "nf") if leaf.kind == "Conv1D" else (1, "out_features")
        found = argument(leaf.call, place, keyword)
        return None if found is None else found.value


def _is_cut(leaf: _Leaf) -> bool:
    """Whether one map makes both what is gated and the gate."""
    forward = method(leaf.owners[-1], "forward")
    cut = m.Call(func=m.Attribute(attr=m.Name("chunk") | m.Name("split")))
    return forward is not None and bool(leaf.source.find(cut, within=forward))


def _first_used(leaf: _Leaf) -> int:
    """Where in the forward pass of its owner a layer is first called."""
    forward = method(leaf.owners[-1], "forward")
    if forward is None:
        return 0
    uses = leaf.source.find(m.Attribute(attr=m.Name(leaf.name)), within=forward)
    return leaf.source.span(uses[0])[0] if uses else 0
