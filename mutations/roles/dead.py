"""Code that never runs, and what is read by nothing: what an older torch would run, and masks that are not used."""

from collections.abc import Iterator
from functools import lru_cache

import libcst as cst
from libcst import matchers as m

from mutations.roles.definition import definition
from mutations.source import Source

HAS_ATTENTION = m.Call(
    func=m.Name("hasattr"),
    args=[m.Arg(), m.Arg(m.SimpleString(m.MatchRegex(r"""["']scaled_dot_product_attention["']""")))],
)
REGISTER = m.Call(
    func=m.Attribute(value=m.Name("self"), attr=m.Name("register_buffer")),
    args=[m.Arg(m.SimpleString()), m.ZeroOrMore()],
)
# What goes through the parameters of any module reads their names, too: `module.bias`.
OF_ANY_LAYER = ("weight", "bias")


@lru_cache(maxsize=32)
def dead_spans(source: Source) -> tuple[tuple[int, int], ...]:
    """The bytes of branches that are taken only where torch has no attention of its own, and of unread buffers."""
    return (*_for_an_older_torch(source), *_unread_buffers(source))


def _for_an_older_torch(source: Source) -> Iterator[tuple[int, int]]:
    if "hasattr" not in source.code(source.module):
        return
    for node in source.find(m.If()):
        branch = cst.ensure_type(node, cst.If)
        test, is_negated = branch.test, False
        if m.matches(test, m.UnaryOperation(operator=m.Not())):
            test, is_negated = cst.ensure_type(test, cst.UnaryOperation).expression, True
        if m.matches(test, m.Call() | m.Name() | m.Attribute()) and m.matches(definition(source, test), HAS_ATTENTION):
            dead = branch.body if is_negated else branch.orelse
            if dead is not None:
                yield source.span(dead)


def _unread_buffers(source: Source) -> Iterator[tuple[int, int]]:
    """Buffers that a module registers and its whole file never reads again."""
    if "getattr" in source.code(source.module) or not source.find(m.FunctionDef(name=m.Name("forward"))):
        return
    for node in source.find(REGISTER):
        call = cst.ensure_type(node, cst.Call)
        name = str(cst.ensure_type(call.args[0].value, cst.SimpleString).evaluated_value)
        owner = m.Name("self") if name in OF_ANY_LAYER else m.DoNotCare()
        if not source.find(m.Attribute(value=owner, attr=m.Name(name))):
            yield source.span(call)
