"""What a size in the code stands for."""

import re

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

VOCABULARY = re.compile(r"vocab|\b(n|num|ntok)_?tokens?\b", re.IGNORECASE)


def is_vocabulary(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether an expression stands for the size of the vocabulary: `vocab_size`, `n_vocab`, `num_tokens`."""
    return bool(VOCABULARY.search(source.code(resolve(source, expression))))


def resolve(source: Source, expression: cst.BaseExpression) -> cst.BaseExpression:
    """What a local name was assigned, `C = ...` or `C, V = ..., ...`; any other expression is what it is."""
    if not isinstance(expression, cst.Name):
        return expression
    for node in source.find(m.Assign(targets=[m.AssignTarget()]), within=source.scope(expression)):
        assignment = cst.ensure_type(node, cst.Assign)
        target, value = assignment.targets[0].target, assignment.value
        if target.deep_equals(expression):
            return value
        if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
            for name, element in zip(target.elements, value.elements, strict=False):
                if name.value.deep_equals(expression):
                    return element.value
    return expression
