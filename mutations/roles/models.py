"""Which class of a package is a whole model, and what it is made from."""

from collections.abc import Mapping
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.layers import OTHER_TASKS, function_name, stacks, token_embeddings
from mutations.source import Source


class Model(NamedTuple):
    """A class that is a whole model."""

    source: Source
    node: cst.ClassDef

    @property
    def name(self) -> str:
        """What it is called."""
        return self.node.name.value


def models_in(sources: Mapping[str, Source]) -> list[Model]:
    """The classes that make a table of tokens or a stack of blocks, or hold one that does and stand above it.

    The likeliest is first.
    """
    classes = [
        Model(source, cst.ensure_type(node, cst.ClassDef))
        for source in sources.values()
        for node in source.find(m.ClassDef())
    ]
    whole = [each for each in classes if method(each.node, "forward") is not None and _embeds(each)]
    while True:
        names = {each.name for each in whole}
        above = [
            each
            for each in classes
            if each not in whole and method(each.node, "forward") is not None and names & _made_in(each)
        ]
        if not above:
            break
        whole += above
    used = set().union(*(_made_in(each) for each in whole)) if whole else set()
    roots = [each for each in whole if each.name not in used] or whole
    return sorted(roots, key=lambda each: (bool(OTHER_TASKS.search(each.name)), each.source.file != "model.py"))


def _embeds(model: Model) -> bool:
    source = model.source
    owners = [layer.owner for layer in token_embeddings(source)]
    return model.node in owners and bool(
        source.find(m.Name("ModuleList") | m.Name("Sequential"), within=model.node) or stacks(source)
    )


def _made_in(model: Model) -> set[str]:
    calls = model.source.find(m.Call(), within=model.node)
    return {function_name(cst.ensure_type(call, cst.Call)) for call in calls}


class Parameter(NamedTuple):
    """Of a function, or a field of a class, as it is written; no default is None."""

    name: str
    annotation: str
    default: str | None


def method(owner: cst.ClassDef, name: str) -> cst.FunctionDef | None:
    """A method of a class's own."""
    found = (node for node in owner.body.body if isinstance(node, cst.FunctionDef) and node.name.value == name)
    return next(found, None)


def parameters_of(source: Source, function: cst.FunctionDef | None) -> list[Parameter]:
    """The named parameters of a function, without self."""
    if function is None:
        return []
    return [
        Parameter(
            each.name.value,
            "" if each.annotation is None else source.code(each.annotation.annotation),
            None if each.default is None else source.code(each.default),
        )
        for each in (*function.params.params, *function.params.kwonly_params)
        if each.name.value != "self"
    ]
