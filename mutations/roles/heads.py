"""Where the width is dealt out to the heads, and where the heads are put together again."""

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

RESHAPE = m.Name("view") | m.Name("reshape")
DIMENSION = m.Arg(keyword=None, star="")
SWAP = m.Call(func=m.Attribute(attr=m.Name("transpose")), args=[m.Arg(m.Integer("1")), m.Arg(m.Integer("2"))]) | m.Call(
    func=m.Attribute(attr=m.Name("permute")),
    args=[m.Arg(m.Integer("0")), m.Arg(m.Integer("2")), m.Arg(m.Integer("1")), m.Arg(m.Integer("3"))],
)


@dataclass(frozen=True, slots=True)
class Split:
    """`x.view(B, T, H, D).transpose(1, 2)`: (B, T, C) becomes (B, H, T, D).

    Attributes:
        whole: the whole expression.
        cut: the view, with its four sizes.
    """

    whole: cst.Call
    cut: cst.Call

    @property
    def sizes(self) -> tuple[cst.BaseExpression, ...]:
        """B, T, H and D, as they are written."""
        return tuple(arg.value for arg in self.cut.args)


@dataclass(frozen=True, slots=True)
class Merge:
    """`y.transpose(1, 2).reshape(B, T, C)`, maybe made contiguous in between: (B, H, T, D) becomes (B, T, C).

    Attributes:
        whole: the whole expression.
        swap: its transpose.
    """

    whole: cst.Call
    swap: cst.Call


def splits(source: Source, within: cst.CSTNode | None = None) -> list[Split]:
    """Every place where heads are cut."""
    found = []
    cut = m.Call(func=m.Attribute(attr=RESHAPE), args=[DIMENSION] * 4)
    for node in source.find(SWAP, within):
        whole = cst.ensure_type(node, cst.Call)
        inner = receiver(whole)
        if isinstance(inner, cst.Call) and m.matches(inner, cut):
            found.append(Split(whole, inner))
    return found


def merges(source: Source) -> Iterator[Merge]:
    """Every place where heads are joined, in the classes that cut them."""
    for node in source.find(m.Call(func=m.Attribute(attr=RESHAPE), args=[DIMENSION] * 3)):
        whole = cst.ensure_type(node, cst.Call)
        inner = receiver(whole)
        if m.matches(inner, m.Call(func=m.Attribute(attr=m.Name("contiguous")), args=[])):
            inner = receiver(cst.ensure_type(inner, cst.Call))
        if isinstance(inner, cst.Call) and m.matches(inner, SWAP) and has_heads(source, whole):
            yield Merge(whole, inner)


def has_heads(source: Source, node: cst.CSTNode) -> bool:
    """Whether a node stands in a class that cuts its width into heads; outside of classes, beside such code."""
    around = owner(source, node)
    return any(owner(source, split.whole) is around for split in splits(source, within=around))


def owner(source: Source, node: cst.CSTNode) -> cst.ClassDef | cst.Module:
    """The innermost class around a node, or the module."""
    while not isinstance(node, cst.ClassDef | cst.Module):
        node = source.parent(node)
    return node


def receiver(call: cst.Call) -> cst.BaseExpression:
    """The object that a method is called on."""
    return cst.ensure_type(call.func, cst.Attribute).value
