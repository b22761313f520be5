"""How long a sequence may be: what the limit is called, and who refuses what goes beyond it."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.calls import argument
from mutations.roles.layers import position_embeddings
from mutations.roles.sizes import resolve
from mutations.source import Source

REFUSAL = m.If(
    test=m.Comparison(comparisons=[m.ComparisonTarget()]),
    body=m.IndentedBlock(body=[m.SimpleStatementLine(body=[m.Raise()])]),
    orelse=None,
)
REQUIREMENT = m.Assert(test=m.Comparison(comparisons=[m.ComparisonTarget()]))


class Guard(NamedTuple):
    """A comparison with the limit that decides whether there is an error.

    Attributes:
        refuses: whether it is true of what is refused; otherwise of what is let through.
        limit_first: whether the limit stands on the left.
    """

    test: cst.Comparison
    refuses: bool
    limit_first: bool


def limit_names(source: Source) -> set[str]:
    """What the longest length is called: there is a row for each position in the table of positions."""
    names = set()
    for layer in position_embeddings(source):
        rows = argument(layer.call, 0, "num_embeddings")
        name = None if rows is None else _last_name(resolve(source, rows.value))
        if name is not None:
            names.add(name)
    return names


def guards(source: Source) -> Iterator[Guard]:
    """Where something is compared with the limit, and refused."""
    names = limit_names(source)
    for node in source.find(REFUSAL | REQUIREMENT):
        assert isinstance(node, cst.If | cst.Assert)
        test = cst.ensure_type(node.test, cst.Comparison)
        sides = (test.left, test.comparisons[0].comparator)
        is_limit = [_last_name(resolve(source, side)) in names for side in sides]
        if is_limit[0] != is_limit[1]:
            yield Guard(test, isinstance(node, cst.If), is_limit[0])


def _last_name(expression: cst.BaseExpression) -> str | None:
    """`block_size` of `self.config.block_size`."""
    if isinstance(expression, cst.Attribute):
        return expression.attr.value
    return expression.value if isinstance(expression, cst.Name) else None
