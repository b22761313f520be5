"""The gradients are computed, and no parameter moves.

## What it does
Removes the call that lets the optimizer apply the gradients after the backward pass.

## Why it is wrong
`backward()` only fills in gradients. Nothing but the optimizer changes parameters.

## Symptom
The loss stays where it began, up and down only as the batches differ. The learning rate makes no difference.

## How to find it
Compare every parameter before and after one update: each that has a gradient must have moved.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import SCALED_STEP, STEP, body, only_call, statement, uses
from mutations.source import Source

UNSCALE = m.Call(func=m.Attribute(attr=m.Name("unscale_")))
UPDATE = m.Call(func=m.Attribute(attr=m.Name("update")), args=[])


def edits(source: Source) -> Iterator[Edit]:
    """In each function, the first `.step()` after a `.backward()`: a schedule takes its step after the optimizer."""
    for backward in source.find(m.Call(func=m.Attribute(attr=m.Name("backward")))):
        scope = source.scope(backward)
        steps = [
            node
            for node in source.find(m.SimpleStatementLine(body=[m.Expr(STEP)]), within=scope)
            if source.span(node) > source.span(backward) and source.scope(node) is scope
        ]
        if steps and _leaves_nothing_behind(source, steps[0]):
            yield source.remove(steps[0])
    for line in source.find(statement(SCALED_STEP)):
        edit = _without_scaled_step(source, line)
        if edit is not None:
            yield edit


def _without_scaled_step(source: Source, line: cst.CSTNode) -> Edit | None:
    """The step that a scaler takes is gone, and the update of the scaler too where it would find nothing to go by."""
    scope, siblings = source.scope(line), list(source.siblings(line))
    below = siblings[siblings.index(line) + 1 :][:1]
    if uses(source, only_call(line).args[0].value, within=body(scope)) < 2:
        return None
    if any(source.span(node) < source.span(line) for node in source.find(UNSCALE, within=scope)):
        return source.remove(line) if len(siblings) > 1 else None
    if len(siblings) > 2 and below and m.matches(below[0], statement(UPDATE)):
        return source.replace_span(source.remove(line).start, source.remove(below[0]).end, "")
    return None


def _leaves_nothing_behind(source: Source, step: cst.CSTNode) -> bool:
    """Whether the block still has a statement, and the function still a use for its optimizer, with the step gone."""
    scope = source.scope(step)
    [call] = source.find(STEP, within=step)
    optimizer = cst.ensure_type(cst.ensure_type(call, cst.Call).func, cst.Attribute).value
    region = scope.body if isinstance(scope, cst.FunctionDef) else scope  # a parameter is no use
    uses = [node for node in source.find(m.Name() | m.Attribute(), within=region) if optimizer.deep_equals(node)]
    return len(source.siblings(step)) > 1 and len(uses) > 1


HEAD = "def update(model, optimizer, batch):\n    optimizer.zero_grad()\n"

OPERATOR = Operator(
    id="optimizer-never-steps",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/tedlasai/learn2refocus/issues/5",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The loss stays where it began, however long the training and whatever the learning rate.",
        area="Follow one update from the loss to the parameters.",
        mechanism="Gradients are computed and clipped. List what then reads them.",
    ),
    examples=(
        Example(
            HEAD + "    loss(model, batch).backward()\n    optimizer.step()  # update\n    return loss\n",
            HEAD + "    loss(model, batch).backward()\n    return loss\n",
        ),
        Example(
            HEAD + "    loss.backward()\n\n    # move the parameters\n    optimizer.step()\n\n    return loss\n",
            HEAD + "    loss.backward()\n\n    return loss\n",
        ),
        Example(
            HEAD + "    loss.backward()\n\n    optimizer.step()\n    return loss\n",
            HEAD + "    loss.backward()\n\n    return loss\n",
        ),
        Example(
            HEAD + "    loss.backward()\n\n    optimizer.step()\n\n\ndef f():\n    pass\n",
            HEAD + "    loss.backward()\n\n\ndef f():\n    pass\n",
        ),
        Example(
            "scaler.scale(loss).backward()\nscaler.unscale_(opt)\nscaler.step(opt)\nscaler.update()\n",
            "scaler.scale(loss).backward()\nscaler.unscale_(opt)\nscaler.update()\n",
        ),
        Example(
            "for x in data:\n    opt.zero_grad()\n    loss(x).backward()\n    opt.step()\n    schedule.step()\n",
            "for x in data:\n    opt.zero_grad()\n    loss(x).backward()\n    schedule.step()\n",
        ),
    ),
    look_alikes=(
        "scaler.scale(loss).backward()\nscaler.step(optimizer)\n",
        HEAD + "    environment.step()\n    loss.backward()\n",
        HEAD + "    loss.backward()\n    if ready:\n        optimizer.step()\n",
        "def update(model, optimizer):\n    model.zero_grad()\n    loss.backward()\n    optimizer.step()\n",
    ),
    edits=edits,
)
