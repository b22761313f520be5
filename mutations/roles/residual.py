"""Blocks, their norms, and the sums by which they add to the residual stream."""

from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.layers import calls, norms, owner_of, position_embeddings, token_embeddings
from mutations.source import Source


class ResidualSum(NamedTuple):
    """A branch that is added to the stream.

    Attributes:
        node: the sum itself, `x + f(x)`, or the statement `x += f(x)`.
        line: the line of the statement around it.
        norm: the call in the branch that norms the stream, if there is one.
    """

    node: cst.BinaryOperation | cst.AugAssign
    line: cst.SimpleStatementLine
    stream: cst.Name
    branch: cst.BaseExpression
    norm: cst.Call | None


def blocks(source: Source) -> list[cst.ClassDef]:
    """Classes that keep two norms or more, and no table of embeddings."""
    owners = [layer.owner for layer in norms(source)]
    embedding = [layer.owner for layer in (*token_embeddings(source), *position_embeddings(source))]
    return [
        owner
        for index, owner in enumerate(owners)
        if owner not in owners[:index] and owners.count(owner) >= 2 and owner not in embedding
    ]


def norm_calls(source: Source, block: cst.ClassDef, within: cst.CSTNode | None = None) -> list[cst.Call]:
    """Where a block norms a name: `self.ln(x)`."""
    names = {layer.name for layer in norms(source) if layer.owner is block}
    return [
        call
        for call in calls(source, names, within=within or block)
        if m.matches(call, m.Call(args=[m.Arg(m.Name(), keyword=None, star="")]))
    ]


def residual_sums(source: Source) -> list[ResidualSum]:
    """The sums `x + f(x)` of every block, as a value that is assigned or returned, and as `x += f(x)`."""
    sums = []
    for block in blocks(source):
        for node in source.find(
            m.BinaryOperation(operator=m.Add()) | m.AugAssign(target=m.Name(), operator=m.AddAssign()), within=block
        ):
            if owner_of(source, node) is not block:
                continue
            line = _line(source, node)
            operands = _operands(source, node)
            if line is None or operands is None:
                continue
            stream, branch = operands
            normed = [call for call in norm_calls(source, block, within=branch) if _norms(call, stream)]
            assert isinstance(node, cst.BinaryOperation | cst.AugAssign)
            sums.append(ResidualSum(node, line, stream, branch, normed[0] if len(normed) == 1 else None))
    return sums


def indent(source: Source, line: cst.CSTNode) -> str:
    """The whitespace before a statement."""
    start, _ = source.span(line)
    return source.code_between(source.line_start(start), start)


def without_norm(source: Source, branch: cst.BaseExpression, norm: cst.Call) -> str:
    """The text of a branch that reads the stream itself where it read a normed copy."""
    (start, end), (norm_start, norm_end) = source.span(branch), source.span(norm)
    stream = source.code(norm.args[0])
    return source.code_between(start, norm_start) + stream + source.code_between(norm_end, end)


def _norms(call: cst.Call, stream: cst.Name) -> bool:
    return call.args[0].value.deep_equals(stream)


def _line(source: Source, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
    """The statement that a sum is the value of; a pair may be returned, the sum first."""
    parent = node if isinstance(node, cst.AugAssign) else source.parent(node)
    if isinstance(parent, cst.Element):
        parent = source.parent(source.parent(parent))
    if not isinstance(parent, cst.Assign | cst.AugAssign | cst.Return):
        return None
    line = source.parent(parent)
    return line if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1 else None


def _operands(source: Source, node: cst.CSTNode) -> tuple[cst.Name, cst.BaseExpression] | None:
    if isinstance(node, cst.AugAssign):
        return (node.target, node.value) if isinstance(node.target, cst.Name) else None
    addition = cst.ensure_type(node, cst.BinaryOperation)
    parent = source.parent(addition)
    left, right = addition.left, addition.right
    if isinstance(parent, cst.Assign) and right.deep_equals(parent.targets[0].target):
        left, right = right, left
    if not isinstance(left, cst.Name) and isinstance(right, cst.Name):
        left, right = right, left
    if isinstance(left, cst.Name) and isinstance(right, cst.Name | cst.Call):
        return left, right
    return None
