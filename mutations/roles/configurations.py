"""What a model is configured by: a class with fields, a dict, or whatever has the attributes that are read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import libcst as cst
from libcst import matchers as m

from mutations.roles.models import Model, Parameter, method, parameters_of
from mutations.roles.parameters import own_class
from mutations.source import Source


@dataclass(frozen=True, slots=True)
class Configuration:
    """The one argument that a model is made from."""

    sources: Mapping[str, Source]
    model: Model

    def read(self) -> tuple[str, list[str]] | None:
        """Whether it is a `dict` or an `object`, and what of it is read; None for a model with arguments of its own."""
        parameters = self._parameters()
        required = [each for each in parameters if each.default is None]
        if len(required) > 1 or not parameters:
            return None
        name = (required or parameters)[0].name
        keys = _keys(name, [self.model])
        if not keys and not _attributes(name, [self.model]) and self._annotated(parameters[0]) is None:
            return None
        everywhere = _classes(self.built_of())
        return ("dict", _keys(name, everywhere)) if keys else ("object", _attributes(name, everywhere))

    def settings(self) -> Model | None:
        """Its class, if the package has one: as annotated, or the one that has most of what is read."""
        used = self.read()
        if used is None or used[0] == "dict":
            return None
        if annotated := self._annotated(self._parameters()[0]):
            return annotated
        classes = [each for each in _classes(self.sources.values()) if method(each.node, "forward") is None]
        best = max(classes, key=lambda each: len(_held(each) & set(used[1])), default=None)
        return best if best is not None and len(_held(best) & set(used[1])) * 2 > len(used[1]) else None

    def built_of(self) -> list[Source]:
        """The file of the model, and those that it imports."""
        return [source for source in self.sources.values() if source is self.model.source or self._imports(source)]

    def _imports(self, other: Source) -> bool:
        stem = m.Name(other.file.removesuffix(".py"))
        return bool(self.model.source.find(m.ImportFrom(module=stem) | m.ImportAlias(name=stem)))

    def _parameters(self) -> list[Parameter]:
        return parameters_of(self.model.source, method(self.model.node, "__init__"))

    def _annotated(self, parameter: Parameter) -> Model | None:
        own = own_class(self.sources, parameter.annotation.strip("\"'"))
        return None if own is None else Model(*own)


def fields_of(settings: Model) -> list[Parameter]:
    """What a configuration is made from."""
    made = method(settings.node, "__init__")
    if made is not None:
        return parameters_of(settings.source, made)
    fields = []
    for statement in settings.node.body.body:
        for part in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.AnnAssign) and isinstance(part.target, cst.Name):
                default = None if part.value is None else settings.source.code(part.value)
                fields.append(Parameter(part.target.value, "", default))
    return fields


def _classes(sources: Iterable[Source]) -> list[Model]:
    return [
        Model(source, cst.ensure_type(node, cst.ClassDef)) for source in sources for node in source.find(m.ClassDef())
    ]


def _held(settings: Model) -> set[str]:
    """What can be read of a configuration: its fields, and what it keeps of them."""
    kept = settings.source.find(m.AssignTarget(m.Attribute(value=m.Name("self"))), within=settings.node)
    targets = [cst.ensure_type(node, cst.AssignTarget).target for node in kept]
    return {field.name for field in fields_of(settings)} | {
        cst.ensure_type(target, cst.Attribute).attr.value for target in targets
    }


def _attributes(name: str, classes: Sequence[Model]) -> list[str]:
    """`config.n_embd`, of a parameter or of what a module has kept of it; methods are none."""
    base = m.Name(name) | m.Attribute(value=m.Name("self"), attr=m.Name(name))
    found: dict[str, None] = {}
    for each in classes:
        for node in each.source.find(m.Attribute(value=base), within=each.node):
            attribute = cst.ensure_type(node, cst.Attribute)
            parent = each.source.parent(attribute)
            if not (isinstance(parent, cst.Call) and parent.func is attribute):
                found[attribute.attr.value] = None
    return list(found)


def _keys(name: str, classes: Sequence[Model]) -> list[str]:
    """`cfg["emb_dim"]`"""
    index = m.Subscript(value=m.Name(name), slice=[m.SubscriptElement(m.Index(m.SimpleString()))])
    found: dict[str, None] = {}
    for each in classes:
        for node in each.source.find(index, within=each.node):
            for string in each.source.find(m.SimpleString(), within=node):
                found[str(cst.ensure_type(string, cst.SimpleString).evaluated_value)] = None
    return list(found)
