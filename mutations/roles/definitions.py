"""Functions and classes that stand by themselves, and which of them code mentions."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import libcst as cst
from libcst import matchers as m

from mutations.source import Source


@dataclass(frozen=True, eq=False, slots=True)
class Definition:
    """A function, a class or a method; what is defined inside a function is a part of that function.

    Attributes:
        name: qualified, as in `GPT.forward`.
        owner: the class of a method.
    """

    source: Source
    node: cst.FunctionDef | cst.ClassDef
    name: str
    owner: "Definition | None"

    @property
    def own_name(self) -> str:
        """The last part of its name."""
        return self.node.name.value

    @property
    def is_class(self) -> bool:
        """Whether it is a class."""
        return isinstance(self.node, cst.ClassDef)

    @property
    def is_called_by_python(self) -> bool:
        """Whether it is a method that runs without being named: `__init__`, or a module's `forward`."""
        return self.owner is not None and (self.own_name.startswith("__") or self.own_name == "forward")


Found = dict[cst.CSTNode, Definition]


@dataclass(frozen=True, eq=False, slots=True)
class Mention:
    """A name in the code, or an attribute, that may stand for a definition.

    Attributes:
        within: the definition whose code it is a part of; None at the top of a file.
        in_body: whether it stands in the body of a function, which emptying the function would take away.
    """

    source: Source
    node: cst.Name | cst.Attribute
    within: Definition | None
    in_body: bool

    @property
    def name(self) -> str:
        """The name, or the attribute's."""
        return self.node.value if isinstance(self.node, cst.Name) else self.node.attr.value


class Code:
    """All definitions and mentions of a few files that belong together."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources = tuple(sources)
        self.definitions: list[Definition] = []
        self.mentions: list[Mention] = []
        for source in self.sources:
            here = _definitions(source)
            self.definitions += here.values()
            self.mentions += _mentions(source, here)
        self._defined: defaultdict[str, list[Definition]] = defaultdict(list)
        for each in self.definitions:
            self._defined[each.own_name].append(each)
        self._mentioned: defaultdict[str, list[Mention]] = defaultdict(list)
        for mention in self.mentions:
            self._mentioned[mention.name].append(mention)

    def named(self, file: str, name: str) -> Definition | None:
        """The definition of that qualified name."""
        return next((each for each in self.definitions if each.source.file == file and each.name == name), None)

    def meant(self, mention: Mention) -> list[Definition]:
        """What a mention may stand for.

        The text does not say whose method it is; but of what model.py defines other files know the model alone,
        and `super().__init__()` stands for nothing that its class does not lead to.
        """
        found = []
        for each in self._defined[mention.name]:
            is_method = each.owner is not None
            if _is_of_module(mention.node, each.source.file) and not is_method:
                found.append(each)
            elif isinstance(mention.node, cst.Attribute) == is_method and not each.is_called_by_python:
                is_near = each.source is mention.source
                if is_near or each.owner is None or each.owner.own_name == "GPT":
                    found.append(each)
        return found

    def mentions_of(self, definition: Definition) -> list[Mention]:
        """Where a definition is mentioned outside of its own code."""
        return [
            mention
            for mention in self._mentioned[definition.own_name]
            if mention.within is not definition and definition in self.meant(mention)
        ]

    def around(self, source: Source, node: cst.CSTNode) -> Definition | None:
        """The innermost definition around a node."""
        here: Found = {each.node: each for each in self.definitions if each.source is source}
        return _around(source, node, here)[0]


def _is_of_module(node: cst.Name | cst.Attribute, file: str) -> bool:
    """Whether it is `helpers.f`, for a file helpers.py."""
    return isinstance(node, cst.Attribute) and m.matches(node.value, m.Name(file.removesuffix(".py")))


def _definitions(source: Source) -> Found:
    found: Found = {}
    for node in source.find(m.FunctionDef() | m.ClassDef()):
        assert isinstance(node, cst.FunctionDef | cst.ClassDef)
        owner, _ = _around(source, node, found)
        if owner is None:
            found[node] = Definition(source, node, node.name.value, None)
        elif owner.is_class and isinstance(node, cst.FunctionDef):
            found[node] = Definition(source, node, f"{owner.name}.{node.name.value}", owner)
    return found


def _around(source: Source, node: cst.CSTNode, found: Found) -> tuple[Definition | None, cst.CSTNode]:
    """The innermost definition around a node, and the part of it that holds the node."""
    while not isinstance(node, cst.Module):
        part, node = node, source.parent(node)
        if node in found:
            return found[node], part
    return None, node


def _mentions(source: Source, found: Found) -> list[Mention]:
    bound = {each: _bound_names(source, each.node) for each in found.values()}
    mentions = []
    for node in source.find(m.Name() | m.Attribute()):
        assert isinstance(node, cst.Name | cst.Attribute)
        within, part = _around(source, node, found)
        in_body = within is not None and not within.is_class and part is within.node.body
        is_local = within is not None and isinstance(node, cst.Name) and node.value in bound[within]
        if not is_local and not _is_label(source, node):
            mentions.append(Mention(source, node, within, in_body))
    return mentions


def _bound_names(source: Source, definition: cst.FunctionDef | cst.ClassDef) -> set[str]:
    """Names that a function gives a meaning of its own."""
    if isinstance(definition, cst.ClassDef):
        return set()
    bound = {cst.ensure_type(node, cst.Param).name.value for node in source.find(m.Param(), within=definition)}
    for node in source.find(m.AssignTarget() | m.CompFor() | m.For(), within=definition):
        assert isinstance(node, cst.AssignTarget | cst.CompFor | cst.For)
        targets: list[cst.BaseExpression] = [node.target]
        if isinstance(node.target, cst.Tuple | cst.List):
            targets = [element.value for element in node.target.elements]
        bound |= {target.value for target in targets if isinstance(target, cst.Name)}
    return bound


def _is_label(source: Source, node: cst.Name | cst.Attribute) -> bool:
    """Whether a name is that of an argument, a definition, an import or an attribute, which is a mention as a whole."""
    parent = source.parent(node)
    match parent:
        case cst.Attribute():
            return parent.attr is node
        case cst.Arg():
            return parent.keyword is node
        case cst.ImportAlias() | cst.AsName():
            return True
        case cst.Param() | cst.FunctionDef() | cst.ClassDef():
            return parent.name is node
    return False
