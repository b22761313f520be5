"""Blocks, their norms, and the sums by which they add to the residual stream.

Which operand of a sum is the stream shows in what the block norms, not by its place or its name: people write
`x + self.attn(self.norm(x))`, and as often keep the stream under a second name, `skip = x`, and go on with `x`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.roles.layers import calls, norms, owner_of, position_embeddings, token_embeddings
from mutations.roles.reads import reads
from mutations.source import Source

FEW_LINES = 4


class ResidualSum(NamedTuple):
    """A branch that is added to the stream.

    Attributes:
        node: the sum itself, `x + f(x)`, or the statement `x += f(x)`.
        line: the line of the statement around it.
        norm: the call in the branch that norms the stream, if there is one.
        reader: the call that norms the stream for this branch, wherever it stands.
        kept: the line `skip = x` that keeps the stream under the name that it has in the sum, if there is one.
    """

    node: cst.BinaryOperation | cst.AugAssign
    line: cst.SimpleStatementLine
    stream: cst.Name
    branch: cst.BaseExpression
    norm: cst.Call | None
    reader: cst.Call
    kept: cst.SimpleStatementLine | None


class _Stream(NamedTuple):
    """The operand of a sum that is the stream, and what tells so."""

    name: cst.Name
    reader: cst.Call
    kept: cst.SimpleStatementLine | None


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
    """The sums of a stream and a branch in every block: `x + f(x)`, assigned or returned, and `x += f(x)`.

    A sum of which neither operand, or either, is what the block norms is left out: a mask that is added to scores, a
    gate, a correction.
    """
    return [found for block in blocks(source) for found in _sums_of(source, block)]


def _sums_of(source: Source, block: cst.ClassDef) -> Iterator[ResidualSum]:
    sums = m.BinaryOperation(operator=m.Add()) | m.AugAssign(target=m.Name(), operator=m.AddAssign())
    for node in source.find(sums, within=block):
        line = _line(source, node)
        if line is None or owner_of(source, node) is not block:
            continue
        first, second = _operands(node)
        streams = [
            (stream, branch)
            for operand, branch in ((first, second), (second, first))
            if isinstance(branch, cst.Name | cst.Call) and (stream := _stream(source, block, node, operand)) is not None
        ]
        if len(streams) != 1:
            continue
        [(stream, branch)] = streams
        if not _comes_from(source, node, branch, stream.reader):
            continue
        normed = [call for call in norm_calls(source, block, within=branch) if _norms(call, stream.name)]
        assert isinstance(node, cst.BinaryOperation | cst.AugAssign)
        norm = normed[0] if len(normed) == 1 else None
        yield ResidualSum(node, line, stream.name, branch, norm, stream.reader, stream.kept)


def _comes_from(source: Source, node: cst.CSTNode, branch: cst.BaseExpression, reader: cst.Call) -> bool:
    """Whether a branch is made of what the norm gave, itself or by the names that it has gone through since."""
    start, end = source.span(branch)
    if start <= source.span(reader)[0] < end:
        return True
    names: set[str] = set()
    for statement in source.find(m.Assign() | m.AugAssign() | m.AnnAssign(), within=source.scope(node)):
        if not source.span(reader)[0] <= source.span(statement)[1] <= source.span(node)[0]:
            continue
        value = getattr(statement, "value", None)
        holds = value is not None and source.span(value)[0] <= source.span(reader)[0] < source.span(value)[1]
        if value is not None and (holds or _reads_any(source, value, names)):
            names |= {target.value for target in _targets(source, statement)}
    return _reads_any(source, branch, names)


def _reads_any(source: Source, expression: cst.CSTNode, names: set[str]) -> bool:
    return any(cst.ensure_type(name, cst.Name).value in names for name in source.find(m.Name(), within=expression))


def indent(source: Source, line: cst.CSTNode) -> str:
    """The whitespace before a statement."""
    start, _ = source.span(line)
    return source.code_between(source.line_start(start), start)


def without_norm(source: Source, branch: cst.BaseExpression, norm: cst.Call) -> str:
    """The text of a branch that reads the stream itself where it read a normed copy."""
    (start, end), (norm_start, norm_end) = source.span(branch), source.span(norm)
    stream = source.code(norm.args[0])
    return source.code_between(start, norm_start) + stream + source.code_between(norm_end, end)


def without_kept(source: Source, found: ResidualSum, change: Edit) -> Edit | None:
    """A change of a sum that no longer reads its stream, together with the line that kept the stream for it.

    None where that line is far, in another block, or kept the stream for somebody else too.
    """
    if found.kept is None:
        return change
    if found.kept not in source.siblings(found.line):
        return None
    removed = source.remove(found.kept)
    between = source.code_between(removed.end, change.start)
    later = [
        node
        for node in reads(source, found.stream, within=source.scope(found.node))
        if source.span(found.kept) < source.span(node)
    ]
    is_alone = later[:1] == [found.stream] and (len(later) == 1 or _is_kept_anew(source, found, before=later[1]))
    if not is_alone or between.count("\n") > FEW_LINES:
        return None
    return source.replace_span(removed.start, change.end, between + change.after)


def _is_kept_anew(source: Source, found: ResidualSum, before: cst.CSTNode) -> bool:
    """Whether the name of the stream is given another value between a sum and its next reader."""
    kept = m.Assign(targets=[m.AssignTarget(m.Name(found.stream.value))])
    start, end = source.span(found.line)[1], source.span(before)[0]
    return any(start <= source.span(node)[0] < end for node in source.find(kept, within=source.scope(found.node)))


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


def _operands(node: cst.CSTNode) -> tuple[cst.BaseExpression, cst.BaseExpression]:
    if isinstance(node, cst.AugAssign):
        return node.target, node.value
    addition = cst.ensure_type(node, cst.BinaryOperation)
    return addition.left, addition.right


def _stream(source: Source, block: cst.ClassDef, node: cst.CSTNode, operand: cst.BaseExpression) -> _Stream | None:
    """The stream, if an operand is one: what it holds in the sum was normed on the way there, by this or another name.

    What a name holds is what it was last bound to. In `x = self.attn(self.norm(x))` the norm reads the older `x`.
    """
    if not isinstance(operand, cst.Name):
        return None
    start, end = source.span(node)
    bound = _last_binding(source, operand.value, start, source.scope(node))
    value = bound.value if isinstance(bound, cst.Assign) and len(bound.targets) == 1 else None
    since = 0 if bound is None else source.span(bound)[1]
    names = {operand.value: bound}
    if bound is not None and isinstance(value, cst.Name):
        names[value.value] = _last_binding(source, value.value, source.span(bound)[0], source.scope(node))
    for call in norm_calls(source, block, within=source.scope(node)):
        name, place = cst.ensure_type(call.args[0].value, cst.Name).value, source.span(call)[0]
        if name not in names or not since <= place < end:
            continue
        if _last_binding(source, name, place, source.scope(node)) is names[name]:
            kept = source.parent(bound) if bound is not None and isinstance(value, cst.Name) else None
            return _Stream(operand, call, kept if isinstance(kept, cst.SimpleStatementLine) else None)
    return None


def _last_binding(source: Source, name: str, before: int, scope: cst.CSTNode) -> cst.CSTNode | None:
    """The statement of a function that last gave a name its value; None where it is a parameter's."""
    found = None
    for node in source.find(m.Assign() | m.AugAssign() | m.AnnAssign() | m.For(), within=scope):
        _, end = source.span(node.target if isinstance(node, cst.For) else node)
        if end <= before and any(target.value == name for target in _targets(source, node)):
            found = node
    return found


def _targets(source: Source, node: cst.CSTNode) -> Iterator[cst.Name]:
    targets: list[cst.CSTNode] = []
    if isinstance(node, cst.Assign):
        targets += [target.target for target in node.targets]
    elif isinstance(node, cst.AugAssign | cst.AnnAssign | cst.For):
        targets.append(node.target)
    for target in targets:
        if isinstance(target, cst.Name | cst.Tuple | cst.List):
            for found in source.find(m.Name(), within=target):
                yield cst.ensure_type(found, cst.Name)
