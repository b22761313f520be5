"""Code that never runs: what is there for a torch that has no attention of its own, beside the call of that."""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.roles.definition import definition
from mutations.source import Source

HAS_ATTENTION = m.Call(
    func=m.Name("hasattr"),
    args=[m.Arg(), m.Arg(m.SimpleString(m.MatchRegex(r"""["']scaled_dot_product_attention["']""")))],
)


def dead_spans(source: Source) -> Iterator[tuple[int, int]]:
    """The bytes of branches that are taken only where torch has no `scaled_dot_product_attention`."""
    if "hasattr" not in source.code(source.module):
        return
    for node in source.find(m.If()):
        branch = cst.ensure_type(node, cst.If)
        test, is_negated = branch.test, False
        if m.matches(test, m.UnaryOperation(operator=m.Not())):
            test, is_negated = cst.ensure_type(test, cst.UnaryOperation).expression, True
        if m.matches(definition(source, test), HAS_ATTENTION):
            dead = branch.body if is_negated else branch.orelse
            if dead is not None:
                yield source.span(dead)
