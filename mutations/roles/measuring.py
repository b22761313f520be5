"""What a model is put into evaluation mode for: to be measured, or to continue a text."""

import re

import libcst as cst
from libcst import matchers as m

from mutations.roles.loop import body
from mutations.roles.traces import PICKS
from mutations.source import Source

MEASURES = re.compile(
    r"loss|acc(uracy|s)?|perplexity|ppl|nll|metrics?|correct|right|evaluate|estimate|valid", re.IGNORECASE
)
GENERATES = re.compile(r"generate|sample|decode_one|continue", re.IGNORECASE)


def measures(source: Source, line: cst.CSTNode) -> bool:
    """Whether a loss, an accuracy or the like is computed after a line of a function."""
    return any(
        any(MEASURES.fullmatch(part) or part.lower().endswith(("loss", "losses")) for part in name.split("_"))
        for name in _names_after(source, line)
    )


def generates(source: Source, line: cst.CSTNode) -> bool:
    """Whether tokens are picked after a line of a function, there or by something that is called so."""
    if any(source.span(node) > source.span(line) for node in source.find(PICKS, within=body(source.scope(line)))):
        return True
    return any(GENERATES.search(name) for name in _names_after(source, line, called=True))


def _names_after(source: Source, line: cst.CSTNode, *, called: bool = False) -> list[str]:
    """The names in a function after one of its lines; of those that are called alone, if so asked."""
    found = source.find(m.Name(), within=body(source.scope(line)))
    names = [cst.ensure_type(node, cst.Name) for node in found if source.span(node) > source.span(line)]
    return [name.value for name in names if not called or _is_called(source, name)]


def _is_called(source: Source, name: cst.Name) -> bool:
    around: cst.CSTNode = source.parent(name)
    if isinstance(around, cst.Attribute) and around.attr is name:
        name_or_method: cst.CSTNode = around
        around = source.parent(around)
    else:
        name_or_method = name
    return isinstance(around, cst.Call) and around.func is name_or_method
