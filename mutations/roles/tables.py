"""Embedding tables."""

import libcst as cst
from libcst import matchers as m

from mutations.roles.calls import argument
from mutations.roles.sizes import is_vocabulary
from mutations.source import Source


def position_tables(source: Source) -> set[str]:
    """Attributes that hold an nn.Embedding of something other than the vocabulary: in a GPT, of positions."""
    tables = set()
    for node in source.find(
        m.Assign(
            targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))],
            value=m.Call(func=m.Attribute(attr=m.Name("Embedding")) | m.Name("Embedding")),
        )
    ):
        assignment = cst.ensure_type(node, cst.Assign)
        rows = argument(cst.ensure_type(assignment.value, cst.Call), 0, "num_embeddings")
        if rows is not None and not is_vocabulary(source, rows.value):
            tables.add(cst.ensure_type(assignment.targets[0].target, cst.Attribute).attr.value)
    return tables
