"""The training loop: what clears the gradients, what fills them in, what clips them, and what applies them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.source import Scope, Source

BACKWARD = m.Call(func=m.Attribute(attr=m.Name("backward")))
CLEAR = m.Call(func=m.Attribute(attr=m.Name("zero_grad")))
CLIP = m.Call(func=m.Attribute(attr=m.Name("clip_grad_norm_")) | m.Name("clip_grad_norm_"))
STEP = m.Call(func=m.Attribute(attr=m.Name("step")), args=[])
REMAINDER = m.BinaryOperation(operator=m.Modulo())
FEW_LINES = 6
# A scaler of gradients calls the step of the optimizer that it is given.
SCALED_STEP = m.Call(
    func=m.Attribute(attr=m.Name("step"), value=m.Name(m.MatchRegex(".*scaler")) | m.Attribute(attr=m.Name("scaler"))),
    args=[m.Arg(m.Name() | m.Attribute(), keyword=None, star="")],
)


class Update(NamedTuple):
    """The statements of one update: siblings in one block.

    Where gradients are accumulated, `backward` is the loop over the parts of a batch that holds the backward pass.
    """

    clear: cst.CSTNode | None
    backward: cst.CSTNode
    clip: cst.CSTNode | None
    step: cst.CSTNode


def statement(call: m.Call) -> m.SimpleStatementLine:
    """A line that holds a call and nothing else, and throws its result away."""
    return m.SimpleStatementLine(body=[m.Expr(call)])


def clip_line() -> m.BaseMatcherNode:
    """A line that clips, and may keep the norm that it returns."""
    return m.SimpleStatementLine(body=[m.Expr(CLIP) | m.Assign(value=CLIP)])


def clips(source: Source) -> list[cst.Call]:
    """Calls that clip a gradient by its norm, as a line of their own or for a name."""
    lines = source.find(clip_line())
    return [cst.ensure_type(source.find(CLIP, within=line)[0], cst.Call) for line in lines]


def unread_clips(source: Source) -> list[cst.CSTNode]:
    """Lines that clip, and whose result is thrown away, or gets a name that is read nowhere in the function."""
    lines = []
    for line in source.find(clip_line()):
        statement_ = cst.ensure_type(line, cst.SimpleStatementLine).body[0]
        target = statement_.targets[0].target if isinstance(statement_, cst.Assign) else None
        scope = source.scope(line)
        is_local = isinstance(target, cst.Name) and isinstance(scope, cst.FunctionDef)
        if target is None or (is_local and uses(source, target, body(scope)) == 1):
            lines.append(line)
    return lines


def updates(source: Source) -> Iterator[Update]:
    """Each backward pass whose gradients an optimizer applies later in the same block.

    A schedule takes its step after the optimizer, so the first step is the optimizer's. Where gradients are cleared
    more than once, none of the places is the one that counts, and the update has no `clear`.
    """
    for backward in source.find(statement(BACKWARD)):
        siblings = source.siblings(backward)
        after = [node for node in siblings if source.span(node) > source.span(backward)]
        step = next((node for node in after if m.matches(node, statement(STEP))), None)
        if step is None:
            continue
        between = [node for node in after if source.span(node) < source.span(step)]
        clip = next((node for node in between if m.matches(node, clip_line())), None)
        clears = [node for node in siblings if m.matches(node, statement(CLEAR))]
        once = len(source.find(CLEAR, within=source.scope(backward))) == 1
        yield Update(clears[0] if clears and once else None, backward, clip, step)


def accumulations(source: Source) -> Iterator[Update]:
    """Each loop over the parts of a batch, with a backward pass and no step in it, and a step later in its block.

    The step may be a scaler's. The gradients are cleared once for all of the loop, before it or after the step.
    """
    for node in source.find(m.For()):
        loop = cst.ensure_type(node, cst.For)
        backward = source.find(statement(BACKWARD), within=loop.body)
        if len(backward) != 1 or source.parent(backward[0]) is not loop.body or _steps(source, loop):
            continue
        siblings = source.siblings(loop)
        after = [each for each in siblings if source.span(each) > source.span(loop)]
        step = next((each for each in after if m.matches(each, statement(STEP) | statement(SCALED_STEP))), None)
        if step is None:
            continue
        between = [each for each in after if source.span(each) < source.span(step)]
        clip = next((each for each in between if m.matches(each, clip_line())), None)
        clears = [each for each in siblings if m.matches(each, statement(CLEAR))]
        once = len(source.find(CLEAR, within=source.scope(loop))) == 1
        yield Update(clears[0] if clears and once else None, loop, clip, step)


class EveryFew(NamedTuple):
    """`if (i + 1) % parts == 0:` in a loop of backward passes: the step that is taken every few turns.

    Attributes:
        branch: the condition, with nothing else than the update below it.
        clear: the line that clears the gradients, if it is the last one there.
    """

    branch: cst.If
    clear: cst.CSTNode | None


def steps_every_few(source: Source) -> Iterator[EveryFew]:
    """Each condition on the number of the turn, below a backward pass in the same block, that holds the step."""
    for node in source.find(m.If(test=m.Comparison(left=REMAINDER), orelse=None)):
        branch = cst.ensure_type(node, cst.If)
        lines = list(branch.body.body)
        above = [each for each in source.siblings(branch) if source.span(each) < source.span(branch)]
        is_below = any(source.find(BACKWARD, within=each) for each in above)
        if is_below and any(m.matches(line, statement(STEP) | statement(SCALED_STEP)) for line in lines):
            yield EveryFew(branch, lines[-1] if m.matches(lines[-1], statement(CLEAR)) else None)


def _steps(source: Source, node: cst.CSTNode) -> bool:
    return bool(source.find(m.Call(func=m.Attribute(attr=m.Name("step"))), within=node))


def only_call(line: cst.CSTNode) -> cst.Call:
    """The call that a line is made of, alone or as the value of a name."""
    statement_ = cst.ensure_type(line, cst.SimpleStatementLine).body[0]
    value = statement_.value if isinstance(statement_, cst.Assign) else cst.ensure_type(statement_, cst.Expr).value
    return cst.ensure_type(value, cst.Call)


def owner(line: cst.CSTNode) -> cst.BaseExpression:
    """The object whose method a line calls: `optimizer` in `optimizer.step()`."""
    return cst.ensure_type(only_call(line).func, cst.Attribute).value


def trains(source: Source, node: cst.CSTNode) -> bool:
    """Whether a piece of code makes whole updates: itself, or by a function of this file that does."""
    if _updates(source, node):
        return True
    updating = [m.Name(function.name.value) for function in _functions(source) if _updates(source, function)]
    return bool(updating and source.find(m.Call(func=m.OneOf(*updating)), within=node))


def body(scope: Scope) -> cst.CSTNode:
    """What a function does, without what it is given; the module as it is."""
    return scope.body if isinstance(scope, cst.FunctionDef) else scope


def uses(source: Source, expression: cst.BaseExpression, within: cst.CSTNode) -> int:
    """How often an expression is written, in the same words, within a piece of code; keywords and attributes aside."""
    count = 0
    for node in source.find(m.Name() | m.Attribute(), within=within):
        around = source.parent(node)
        is_label = (isinstance(around, cst.Arg) and around.keyword is node) or (
            isinstance(around, cst.Attribute) and around.attr is node
        )
        count += not is_label and expression.deep_equals(node)
    return count


def to_eval(source: Source) -> Sequence[cst.CSTNode]:
    """Lines that put a module into evaluation mode."""
    return source.find(statement(m.Call(func=m.Attribute(attr=m.Name("eval")), args=[])))


def to_train(source: Source) -> Sequence[cst.CSTNode]:
    """Lines that put a module into training mode, and do not ask what it was in before."""
    into_training = m.Call(func=m.Attribute(attr=m.Name("train")))
    always = m.Call(args=[]) | m.Call(args=[m.Arg(value=m.Name("True"))])
    return [line for line in source.find(statement(into_training)) if m.matches(only_call(line), always)]


def move_up(source: Source, line: cst.CSTNode, above: cst.CSTNode) -> Edit:
    """Put a statement, with the comments that belong to it, above one that comes earlier in its block."""
    top, _ = _lines(source, above)
    start, end = _lines(source, line)
    moved, rest = source.code_between(start, end), _without_blank_end(source.code_between(top, start))
    if not moved.endswith("\n"):  # the file ends here
        moved, rest = f"{moved}\n", rest.removesuffix("\n")
    return source.replace_span(top, end, moved + rest)


def move_into(source: Source, loop: cst.For, last: cst.CSTNode) -> Edit | None:
    """Put all statements from the end of a loop to a later one into the loop; None where these are many."""
    start, (_, end) = source.block_end(*source.span(loop)), _lines(source, last)
    text = source.code_between(start, end)
    inner, outer = (_indent(source, node) for node in (loop.body.body[0], loop))
    if text.count("\n") > FEW_LINES or not inner.startswith(outer):
        return None
    lines = [f"{inner[len(outer) :]}{line}" if line.strip() else line for line in text.splitlines(keepends=True)]
    return source.replace_span(start, end, "".join(lines))


def dedented(source: Source, lines: Sequence[cst.CSTNode], to: cst.CSTNode) -> str:
    """The text of statements of one block, with the comments between them, as far left as another one stands."""
    start, end = _lines(source, lines[0])[0], _lines(source, lines[-1])[1]
    inner, outer = _indent(source, lines[0]), _indent(source, to)
    text = source.code_between(start, end).splitlines(keepends=True)
    return "".join(outer + line.removeprefix(inner) if line.strip() else line for line in text)


def _indent(source: Source, node: cst.CSTNode) -> str:
    start, _ = source.span(node)
    return source.code_between(source.line_start(start), start)


def move_down(source: Source, line: cst.CSTNode, above: cst.CSTNode) -> Edit:
    """Put a statement, with the comments that belong to it, right above one that comes later in its block."""
    start, end = _lines(source, line)
    bottom, _ = _lines(source, above)
    middle = source.code_between(end, bottom)
    while middle.partition("\n")[0].strip() == "" and middle:
        middle = middle.partition("\n")[2]
    return source.replace_span(start, bottom, middle + source.code_between(start, end))


def _updates(source: Source, node: cst.CSTNode) -> bool:
    """Whether there are a backward pass and a step, or a call that may lead to one: `scaler.step(optimizer)`."""
    step = m.Call(func=m.Attribute(attr=m.Name("step")))
    return bool(source.find(BACKWARD, within=node) and source.find(step, within=node))


def _functions(source: Source) -> Iterator[cst.FunctionDef]:
    for node in source.find(m.FunctionDef()):
        yield cst.ensure_type(node, cst.FunctionDef)


def _lines(source: Source, line: cst.CSTNode) -> tuple[int, int]:
    """The bytes of a statement's lines, and of the comments right above it."""
    start, end = source.span(line)
    start, end = source.line_start(start), source.line_end(end)
    while start and source.code_between(above := source.line_start(start - 1), start).lstrip().startswith("#"):
        start = above
    return start, end


def _without_blank_end(text: str) -> str:
    lines = text.splitlines(keepends=True)
    while lines and not lines[-1].strip():
        lines.pop()
    return "".join(lines)
