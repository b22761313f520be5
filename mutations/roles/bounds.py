"""How often a training loop goes round: the number that bounds it."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.roles.loop import trains
from mutations.source import Source

RANGE = m.Call(func=m.Name("range"), args=[m.Arg(keyword=None)])
ISLICE = m.Call(func=m.Name("islice") | m.Attribute(attr=m.Name("islice")), args=[m.Arg(), m.Arg(keyword=None)])

USUAL_LINE = 88


class Bound(NamedTuple):
    """A loop over updates, and the number that bounds it."""

    loop: cst.For | cst.ListComp | cst.GeneratorExp
    number: cst.BaseExpression


def bounds(source: Source, call: m.BaseMatcherNode) -> Iterator[Bound]:
    """The last argument of such calls where a loop over updates is bounded, with or without `enumerate`."""
    for node in source.find(m.For() | m.ListComp() | m.GeneratorExp()):
        repeated: cst.CSTNode
        if isinstance(node, cst.For):
            repeated, iterated = node.body, node.iter
        elif isinstance(node, cst.ListComp | cst.GeneratorExp):
            repeated, iterated = node.elt, node.for_in.iter
        else:
            continue
        if not trains(source, repeated) or _holds_a_loop_that_trains(source, repeated):
            continue
        for found in source.find(call, within=iterated):
            number = cst.ensure_type(found, cst.Call).args[-1].value
            if m.matches(number, m.Name() | m.Attribute()) and "epoch" not in source.code(number).lower():
                yield Bound(node, number)


def _holds_a_loop_that_trains(source: Source, repeated: cst.CSTNode) -> bool:
    """Whether it is epochs that are counted, of many updates each, here or in a function that is called."""
    called = [cst.ensure_type(call, cst.Call).func for call in source.find(m.Call(func=m.Name()), within=repeated)]
    names = {cst.ensure_type(function, cst.Name).value for function in called}
    functions = [source.find(m.FunctionDef(name=m.Name(name))) for name in names]
    pieces = [repeated, *(function for found in functions for function in found)]
    loops = [loop for piece in pieces for loop in source.find(m.For() | m.While(), within=piece)]
    return any(trains(source, cst.ensure_type(loop, cst.For | cst.While).body) for loop in loops)  # type: ignore[arg-type]


def moved(source: Source, bound: Bound, by: str) -> Edit:
    """The bound and something to it; a comprehension that no longer fits its line is broken before its `for`."""
    edit = source.replace(bound.number, f"{source.code(bound.number)} {by}")
    start, end = source.line_start(edit.start), source.line_end(edit.end)
    longest = max(USUAL_LINE, *map(len, source.module.code.splitlines()))
    line = source.code_between(start, end)
    if isinstance(bound.loop, cst.For) or len(line.rstrip()) + len(f" {by}") <= longest:
        return edit
    indent = line[: len(line) - len(line.lstrip())]
    clause, _ = source.span(bound.loop.for_in)
    after = f"\n{indent}{source.code_between(clause, edit.start).lstrip()}{edit.after}"
    return source.replace_span(clause, edit.end, after)
