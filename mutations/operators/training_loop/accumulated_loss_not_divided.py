"""Gradients of the parts of a batch are added up, and not divided by the number of parts.

## What it does
Takes away the division of each part's loss by how many parts there are.

## Why it is wrong
The loss is a mean over its part. The sum of n such gradients is n times that of the whole batch; how long a step is, or
where the clip begins, then depends on into how many parts a batch had to be cut.

## Symptom
Adam hides the factor and the clip hides the length, so the loss falls. With another number of parts it falls otherwise.

## How to find it
Compare the gradient of one batch in four parts with that of the same batch in one, before any clip.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import BACKWARD, CLEAR, STEP, statement
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

PARTS = m.MatchRegex(r"(?i).*(accum|micro|parts|pieces|chunks).*")
COUNT = m.Name(PARTS) | m.Attribute(attr=m.Name(PARTS))
SCALED = m.BinaryOperation(operator=m.Divide(), right=COUNT) | m.AugAssign(operator=m.DivideAssign(), value=COUNT)


def edits(source: Source) -> Iterator[Edit]:
    """Divisions by the number of parts, of what a backward pass begins with in the same function."""
    for node in source.find(SCALED):
        start, _ = source.span(node)
        scaled: cst.BaseExpression
        if isinstance(node, cst.AugAssign):
            scaled = node.target
            line: cst.CSTNode | None = source.parent(node)
        else:
            scaled = cst.ensure_type(node, cst.BinaryOperation).left
            line = _line_of_itself(source, node, scaled)
        later = [call for call in source.find(BACKWARD, source.scope(node)) if source.span(call)[1] > start]
        is_loss = all("loss" in text.lower() for text in (_called(source, node, scaled), *map(source.code, later[:1])))
        if not later or not is_loss or not leaves_nothing_unread(source, node, kept=[scaled]):
            continue
        if _is_a_whole_update(source, later[0]):
            continue
        if line is None:
            yield _without_brackets(source, node, scaled)
        elif len(source.siblings(line)) > 1:
            yield source.remove(line)


def _called(source: Source, node: cst.CSTNode, scaled: cst.BaseExpression) -> str:
    """What is divided, or the name that it gets: `loss = model(x, y) / parts`."""
    around = source.parent(node)
    return source.code(around.targets[0].target if isinstance(around, cst.Assign) else scaled)


def _is_a_whole_update(source: Source, backward: cst.CSTNode) -> bool:
    """Whether gradients are cleared and applied in each turn: then nothing is accumulated."""
    line = backward
    while not isinstance(line, cst.SimpleStatementLine):
        line = source.parent(line)
    siblings = source.siblings(line)
    return all(any(m.matches(each, statement(call)) for each in siblings) for call in (STEP, CLEAR))


def _line_of_itself(source: Source, node: cst.CSTNode, scaled: cst.BaseExpression) -> cst.CSTNode | None:
    """The line `loss = loss / parts`, which has no use without the division."""
    around = source.parent(node)
    if isinstance(around, cst.Assign) and around.targets[0].target.deep_equals(scaled):
        return source.parent(around)
    return None


def _without_brackets(source: Source, node: cst.CSTNode, scaled: cst.BaseExpression) -> Edit:
    start, end = source.span(node)
    for _ in cst.ensure_type(node, cst.BinaryOperation).lpar:
        start, end = start - 1, end + 1
    return source.replace_span(start, end, source.code(scaled))


OPERATOR = Operator(
    id="accumulated-loss-not-divided",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/ApolloResearch/e2e_sae/pull/70",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The same batch gives another gradient, in pieces than as a whole.",
        area="Cut one batch into one, two and four pieces, and measure the gradient each time.",
        mechanism="Every piece gives a mean. What is the sum of means?",
    ),
    examples=(
        Example(
            "for step in range(steps):\n"
            "    for micro_step in range(accumulation_steps):\n"
            "        loss = model(x, y)\n"
            "        loss = loss / accumulation_steps  # a mean of means\n"
            "        loss.backward()\n"
            "    show(accumulation_steps)\n"
            "    opt.step()\n",
            "for step in range(steps):\n"
            "    for micro_step in range(accumulation_steps):\n"
            "        loss = model(x, y)\n"
            "        loss.backward()\n"
            "    show(accumulation_steps)\n"
            "    opt.step()\n",
        ),
        Example(
            "def update(model, opt, parts, grad_accum):\n"
            "    for x in parts:\n"
            "        (loss_of(model, x) / grad_accum).backward()\n"
            "    opt.step()\n"
            "    return grad_accum\n",
            "def update(model, opt, parts, grad_accum):\n"
            "    for x in parts:\n"
            "        loss_of(model, x).backward()\n"
            "    opt.step()\n"
            "    return grad_accum\n",
        ),
        Example(
            "for i, x in enumerate(data):\n"
            "    loss = model(x) / accum\n"
            "    loss.backward()\n"
            "    if (i + 1) % accum == 0:\n"
            "        opt.step()\n",
            "for i, x in enumerate(data):\n"
            "    loss = model(x)\n"
            "    loss.backward()\n"
            "    if (i + 1) % accum == 0:\n"
            "        opt.step()\n",
        ),
        Example(
            "for i, x in enumerate(data):\n"
            "    loss = loss_of(x)\n"
            "    loss /= cfg.accum\n"
            "    scaler.scale(loss).backward()\n",
            "for i, x in enumerate(data):\n    loss = loss_of(x)\n    scaler.scale(loss).backward()\n",
        ),
    ),
    look_alikes=(
        "for x in data:\n    opt.zero_grad()\n    (loss(x) / parts).backward()\n    opt.step()\n    log(parts)\n",
        "loss = loss / accum\nprint(loss)\n",
        "loss = loss / batch_size\nloss.backward()\n",
        "for x in parts:\n    total += loss_of(x) / accum\n",
    ),
    edits=edits,
)
