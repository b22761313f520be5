"""The loss that is reported is still a tensor, and holds on to the graph that it was computed by.

## What it does
Reports the loss itself where its value as a number was reported.

## Why it is wrong
A tensor that needs a gradient refers to every activation it was computed from. A record of losses that is kept, and
records are, keeps all activations of all steps.

## Symptom
The losses look right when they are printed. Memory grows with every step, until a long run ends for want of it.

## How to find it
Look at the type of what a step returns. Or train twice as long, and compare how much memory is held at the end.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import function_name
from mutations.roles.loop import owner, updates
from mutations.source import Source

WRITES = ("float", "int", "round", "print", "print0", "format", "log", "info", "debug", "write")


def edits(source: Source) -> Iterator[Edit]:
    """`loss.item()` after the update, where `loss` is what the backward pass began with."""
    for update in updates(source):
        loss = owner(update.backward)
        if not isinstance(loss, cst.Name):
            continue
        value = m.Call(func=m.Attribute(value=m.Name(loss.value), attr=m.Name("item")), args=[])
        for read in source.find(value, within=source.scope(update.backward)):
            if source.span(read) > source.span(update.step) and not _is_written_out(source, read):
                yield source.replace(read, loss.value)


def _is_written_out(source: Source, read: cst.CSTNode) -> bool:
    """Whether a value is made a number or a text where it is read: then no graph is kept."""
    node: cst.CSTNode = read
    while isinstance(
        node, cst.BaseExpression | cst.Arg | cst.DictElement | cst.Element | cst.FormattedStringExpression
    ):
        node = source.parent(node)
        if isinstance(node, cst.FormattedStringExpression):
            return True
        if isinstance(node, cst.Call) and function_name(node) in WRITES:
            return True
    return False


UPDATE = "    loss.backward()\n    optimizer.step()\n"

OPERATOR = Operator(
    id="loss-keeps-its-graph",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/BatsResearch/labelmodels/issues/4",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The curve is right, and the longer a run is, the more memory it takes.",
        area="Look at what is kept of each update once it is over.",
        mechanism="A value can remember where it came from. Ask of everything in the record what kind of thing it is.",
    ),
    examples=(
        Example(
            f"def update(loss, optimizer):\n{UPDATE}    return {{'loss': loss.item(), 'lr': rate.item()}}\n",
            f"def update(loss, optimizer):\n{UPDATE}    return {{'loss': loss, 'lr': rate.item()}}\n",
        ),
        Example(
            f"for loss in losses():\n{UPDATE}    history.append(loss.item())  # to plot\n    seen = data.item()\n",
            f"for loss in losses():\n{UPDATE}    history.append(loss)  # to plot\n    seen = data.item()\n",
        ),
    ),
    look_alikes=(
        f"for loss in losses():\n    print(loss.item())\n{UPDATE}",
        f"for loss in losses():\n{UPDATE}    history.append(float(loss))\n",
        f"for loss in losses():\n{UPDATE}    history.append(float(loss.item()))\n    print(f'{{loss.item():.3f}}')\n",
        "def evaluate(loss):\n    return loss.item()\n",
    ),
    edits=edits,
)
